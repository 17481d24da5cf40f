/** Query results as text: a table, CSV, JSON, JSON Lines. */
import type { SqlValue } from "@ebb/ports";
import { renderTable } from "./table.ts";

export const formats = ["table", "csv", "json", "jsonl"] as const;
export type Format = (typeof formats)[number];

export interface Rows {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: AsyncIterable<readonly SqlValue[]>;
}

export interface Written {
  readonly rows: number;
  /** What the reader should know besides. */
  readonly notes: readonly string[];
}

export interface FormatOptions {
  /** Terminal width in cells; tables only. */
  readonly width: number;
  /** CSV for a spreadsheet: byte order mark, and texts that it would run as a formula get an apostrophe in front. */
  readonly spreadsheet: boolean;
}

/** A table is read by a person: rows beyond this are not shown. */
const TABLE_ROWS = 1_000;

const numeric = /^(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|U[A-Z]*INT[A-Z]*|FLOAT|DOUBLE|DECIMAL)/;

/** 64-bit integers as JSON numbers where a double holds them exactly, else as text. */
const jsonValue = (_key: string, value: unknown): unknown =>
  typeof value === "bigint" ? (Number.isSafeInteger(Number(value)) ? Number(value) : String(value)) : value;

const textOf = (value: SqlValue): string => {
  if (value === null) return "";
  return typeof value === "object" ? JSON.stringify(value, jsonValue) : String(value);
};

/** Texts that spreadsheets take for a formula (OWASP, CSV injection). Numbers and dates never are. */
const isFormula = (value: SqlValue): boolean =>
  typeof value === "string" && /^[=+\-@\t\r]/.test(value) && !isNumber(value);
const isNumber = (text: string): boolean => /^-?\d+(\.\d+)?$/.test(text);

const csvCell = (text: string): string => (/[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** Names made unique, for objects: a, a_2. */
const uniqueNames = (columns: Rows["columns"]): string[] => {
  const used = new Set<string>();
  return columns.map(({ name }) => {
    let unique = name;
    for (let suffix = 2; used.has(unique); suffix++) unique = `${name}_${suffix}`;
    used.add(unique);
    return unique;
  });
};

type Write = (text: string) => Promise<void>;

const writeTable = async ({ columns, rows }: Rows, { width }: FormatOptions, write: Write): Promise<Written> => {
  const shown: string[][] = [];
  let count = 0;
  for await (const row of rows)
    if (++count <= TABLE_ROWS) shown.push(row.map((value) => (value === null ? "NULL" : textOf(value))));
  const { text, hidden } = renderTable(
    columns.map(({ name, type }) => ({ name, align: numeric.test(type) ? "right" : "left" })),
    shown,
    width,
  );
  await write(text);
  return {
    rows: count,
    notes: [
      ...(count > TABLE_ROWS ? [`The first ${TABLE_ROWS} rows are shown; --format csv gives all.`] : []),
      ...(hidden > 0 ? [`${hidden} columns did not fit; name fewer, or use --format csv.`] : []),
    ],
  };
};

const writeCsv = async ({ columns, rows }: Rows, { spreadsheet }: FormatOptions, write: Write): Promise<Written> => {
  let count = 0;
  let formulas = 0;
  const cell = (value: SqlValue): string => {
    const formula = isFormula(value);
    if (formula) formulas++;
    return csvCell(formula && spreadsheet ? `'${textOf(value)}` : textOf(value));
  };
  await write(`${spreadsheet ? "\ufeff" : ""}${columns.map(({ name }) => csvCell(name)).join(",")}\n`);
  for await (const row of rows) {
    count++;
    await write(`${row.map(cell).join(",")}\n`);
  }
  return {
    rows: count,
    notes:
      formulas === 0 || spreadsheet
        ? []
        : [`${formulas} cells begin like a formula; before opening this in a spreadsheet, use --spreadsheet.`],
  };
};

const writeJson = async ({ columns, rows }: Rows, write: Write, form: "json" | "jsonl"): Promise<Written> => {
  const names = uniqueNames(columns);
  let count = 0;
  for await (const row of rows) {
    const text = JSON.stringify(Object.fromEntries(names.map((name, index) => [name, row[index]])), jsonValue);
    await write(form === "jsonl" ? `${text}\n` : `${count === 0 ? "[\n" : ",\n"}  ${text}`);
    count++;
  }
  if (form === "json") await write(count === 0 ? "[]\n" : "\n]\n");
  return { rows: count, notes: [] };
};

export const writeRows = (format: Format, rows: Rows, options: FormatOptions, write: Write): Promise<Written> => {
  switch (format) {
    case "table":
      return writeTable(rows, options, write);
    case "csv":
      return writeCsv(rows, options, write);
    case "json":
    case "jsonl":
      return writeJson(rows, write, format);
  }
};
