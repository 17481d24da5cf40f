/** What is declared of sources, for whoever looks for data: which tables they fill, from what, how often, what is personal. */
import { markdownTable } from "@ebb/lake/docs";
import type { Source } from "../sources.ts";
import { dynamoLoad } from "./dynamo.ts";
import { type LoadSpec, shapeOf } from "./shape.ts";
import type { Mapping } from "./roles.ts";

type Types = Readonly<Record<string, string>>;

export interface SourceEntry {
  readonly name: string;
  readonly connection: string;
  /** What it becomes; files of a prefix become events. */
  readonly maps: string;
  /** What its events belong to. */
  readonly of: string;
  /** The table or the prefix that is read; absent for a query. */
  readonly from?: string;
  readonly key: readonly string[];
  readonly watermark?: string;
  /** `every 15 minutes`, `at 02:30 UTC`, `on demand`. */
  readonly schedule: string;
  /** Fields that are read and never in the lake. */
  readonly personal: readonly string[];
  readonly currency?: string;
  readonly tables: readonly SourceTableEntry[];
}

export interface SourceTableEntry {
  readonly name: string;
  readonly grain: string;
  /** Whether a load has filled it. */
  readonly filled: boolean;
  readonly columns: readonly {
    readonly name: string;
    /** The lake's, once it was filled. */
    readonly type?: string;
    readonly field: string;
    readonly isKey: boolean;
    /** A pseudonym in the place of the field's values. */
    readonly isCustomer: boolean;
  }[];
}

type RowSource = Exclude<Source, { kind: "objects" }>;

/** @param typesOf columns of a table with the lake's types; `undefined` for one that was never filled */
export const sourceEntries = (
  sources: readonly Source[],
  typesOf: (table: string) => Types | undefined,
): readonly SourceEntry[] =>
  sources.map((source) => {
    const { name, connection, source: of } = source.spec;
    const common = { name, connection, of, schedule: scheduleOf(source) };
    if (source.kind === "objects")
      return { ...common, maps: "events of files", from: source.spec.prefix, key: [], personal: [], tables: [] };
    const load = loadOf(source);
    return {
      ...common,
      maps: load.maps.replace("_", " "),
      ...(load.table === undefined ? {} : { from: load.table }),
      key: load.key,
      ...(load.watermark === undefined ? {} : { watermark: load.watermark.field }),
      personal: load.personal,
      ...(load.currency === undefined ? {} : { currency: load.currency }),
      tables: tablesOf(load, typesOf),
    };
  });

/** What a source asks of a load, whatever it is read from. */
export const loadOf = (source: RowSource): LoadSpec =>
  source.kind === "dynamodb" ? dynamoLoad(source.spec) : source.spec;

const tablesOf = (load: LoadSpec, typesOf: (table: string) => Types | undefined): readonly SourceTableEntry[] => {
  const { mapping, linesMapping } = shapeOf(load);
  const table = `source_${load.name}`;
  const entry = (name: string, grain: string, { columns }: Mapping, key: readonly string[]): SourceTableEntry => {
    const types = typesOf(name);
    return {
      name,
      grain,
      filled: types !== undefined,
      columns: columns.map(({ name: column, field, isCustomer }) => ({
        name: column,
        ...(types?.[column] === undefined ? {} : { type: types[column] }),
        field,
        isKey: key.includes(field),
        isCustomer,
      })),
    };
  };
  const from = load.table === undefined ? "row of a query" : `row of \`${load.table}\``;
  const rows = entry(table, `One row per ${from}`, mapping, load.key);
  if (linesMapping === undefined) return [rows];
  return [rows, entry(`${table}_lines`, `One row per line of an order of \`${table}\``, linesMapping, load.lines!.key)];
};

const scheduleOf = ({ spec: { schedule } }: Source): string =>
  schedule === undefined
    ? "on demand"
    : "at" in schedule
      ? `at ${schedule.at} UTC`
      : `every ${schedule.every / 60} minutes`;

/** What a column is made of, in a sentence. */
export const columnText = ({ field, isKey, isCustomer }: SourceTableEntry["columns"][number]): string =>
  `${isCustomer ? "Pseudonym of" : "As"} \`${field}\`${isKey ? " (key)" : ""}`;

// ── as Markdown: what `docs/tables.md` is for the program's own tables ─────────────────────────────────────────────

/** @param typesOf columns of a table with the lake's types; `undefined` for one that was never filled */
export const sourceSections = (
  sources: readonly Source[],
  typesOf: (table: string) => Types | undefined,
): readonly string[] =>
  sourceEntries(sources, typesOf).flatMap((entry): string[] => {
    if (entry.tables.length === 0)
      return [
        `## Source \`${entry.name}\`\n\nFiles below \`${entry.from!}\` of the connection \`${entry.connection}\`, taken as uploads are: events of the source \`${entry.of}\`. ${loaded(entry)}`,
      ];
    return entry.tables.map((table, at) =>
      section(table, at === 0 ? about(entry, table) : `${table.grain}. Read with its order.`),
    );
  });

const section = ({ name, columns, filled }: SourceTableEntry, sentence: string): string => {
  const rows = columns.map((column) => [`\`${column.name}\``, column.type ?? "", columnText(column)]);
  const empty = filled ? "" : "\n\nIt was not filled yet.";
  return `## \`${name}\`\n\n${sentence}${empty}\n\n${markdownTable(["column", "type", "what it is"], rows)}`;
};

const about = (entry: SourceEntry, { grain }: SourceTableEntry): string => {
  const personal =
    entry.personal.length === 0
      ? ""
      : ` Personal, and not in the lake: ${entry.personal.map((field) => `\`${field}\``).join(", ")}.`;
  const currency =
    entry.currency === undefined ? "" : ` Amounts are in ${entry.currency} where no field says otherwise.`;
  return `${grain} (connection \`${entry.connection}\`), as ${entry.maps} of the source \`${entry.of}\`. ${loaded(entry)}${currency}${personal}`;
};

const loaded = ({ watermark, schedule }: SourceEntry): string =>
  `Loaded${watermark === undefined ? "" : ` by \`${watermark}\``} ${schedule}.`;
