/**
 * Rows of the first sheet of an XLSX workbook (ECMA-376), as they stream by. Only the texts of the cells are looked at:
 * no styles, no formulas, no links. A document type declaration, and with it every entity of its own, is refused.
 */
import { SaxesParser } from "saxes";
import { columnsByPosition, recognise } from "@ebb/core/files/header";
import { layoutNamed } from "@ebb/core/files/layouts";
import type { ObjectStore } from "@ebb/ports";
import { FileProblem } from "./file-problem.ts";
import type { FileShape } from "./file-shape.ts";
import { known } from "./sniff.ts";
import type { Position, RecordSink } from "./split-records.ts";
import type { UploadOptions } from "./upload-options.ts";
import type { ZipEntries } from "./zip-entries.ts";
import { LARGEST_RATIO, RATIO_FROM_BYTES, asFileProblem, openZip } from "./zip-entries.ts";

/** The format's own bound. */
const ROWS = 1_048_576;
const COLUMNS = 1_000;
/** Characters of one cell (Excel's own bound is 32,767), and of all shared texts, which are kept in memory. */
const CELL_LENGTH = 100_000;
const SHARED_LENGTH = 64_000_000;
const SHARED_COUNT = 2_000_000;

interface Handlers {
  open?: (name: string, attributes: Readonly<Record<string, string>>) => void;
  text?: (text: string) => void;
  close?: (name: string) => void;
}

/** Prefixes of names are left out: writers choose them freely. */
const local = (name: string): string => name.slice(name.indexOf(":") + 1);

/** Feeds an entry to handlers; yields after each chunk. @throws FileProblem */
async function* parse(zip: ZipEntries, entry: string, handlers: Handlers): AsyncGenerator<void> {
  const stream = await zip.open(entry);
  if (stream === undefined)
    throw new FileProblem("unreadable_file", "The workbook lacks a part that every XLSX file has.");
  const parser = new SaxesParser({ position: false, xmlns: false } as const);
  parser.on("doctype", () => {
    throw new FileProblem("unreadable_file", "The workbook has a document type declaration, which no XLSX file has.");
  });
  parser.on("error", (error) => {
    throw error;
  });
  parser.on("opentag", (tag) => handlers.open?.(local(tag.name), tag.attributes));
  parser.on("text", (text) => handlers.text?.(text));
  parser.on("cdata", (text) => handlers.text?.(text));
  parser.on("closetag", (tag) => handlers.close?.(local(tag.name)));
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const chunk of stream) {
      parser.write(decoder.decode(chunk as Buffer, { stream: true }));
      yield;
    }
    parser.write(decoder.decode());
    parser.close();
  } catch (error) {
    throw asFileProblem(error);
  } finally {
    stream.destroy();
  }
}

const parseWhole = async (zip: ZipEntries, entry: string, handlers: Handlers): Promise<void> => {
  for await (const _ of parse(zip, entry, handlers));
};

interface Workbook {
  readonly zip: ZipEntries;
  /** Of the whole archive. */
  readonly bytes: number;
  readonly sheet: string;
  readonly sharedStrings: string | undefined;
  readonly serials: 1900 | 1904;
}

const RELATIONS = "xl/_rels/workbook.xml.rels";

const openWorkbook = async (objects: ObjectStore, key: string, bytes: number): Promise<Workbook> => {
  const zip = await openZip(objects, key, bytes);
  try {
    const targets = new Map<string, string>();
    let sharedStrings: string | undefined;
    await parseWhole(zip, RELATIONS, {
      open: (name, attributes) => {
        if (name !== "Relationship" || targets.size > 10_000) return;
        const target = attributes["Target"] ?? "";
        const entry = target.startsWith("/") ? target.slice(1) : `xl/${target}`;
        targets.set(attributes["Id"] ?? "", entry);
        if ((attributes["Type"] ?? "").endsWith("/sharedStrings")) sharedStrings = entry;
      },
    });
    let sheet: string | undefined;
    let serials: 1900 | 1904 = 1900;
    await parseWhole(zip, "xl/workbook.xml", {
      open: (name, attributes) => {
        if (name === "workbookPr" && /^(?:1|true|on)$/.test(attributes["date1904"] ?? "")) serials = 1904;
        if (name !== "sheet" || sheet !== undefined || (attributes["state"] ?? "visible") !== "visible") return;
        const id = Object.entries(attributes).find(([attribute]) => local(attribute) === "id" && attribute !== "id");
        sheet = targets.get(id?.[1] ?? "");
      },
    });
    if (sheet === undefined) throw new FileProblem("unreadable_file", "The workbook has no sheet that can be seen.");
    return { zip, bytes, sheet, sharedStrings, serials };
  } catch (error) {
    zip.close();
    throw error;
  }
};

/** Texts that cells refer to by number. Phonetic readings are no part of them. */
const sharedTexts = async ({ zip, sharedStrings }: Workbook): Promise<readonly string[]> => {
  const texts: string[] = [];
  if (sharedStrings === undefined) return texts;
  let text = "";
  let length = 0;
  let inText = false;
  let phonetic = 0;
  await parseWhole(zip, sharedStrings, {
    open: (name) => {
      if (name === "si") text = "";
      else if (name === "rPh") phonetic++;
      else inText = name === "t";
    },
    text: (part) => {
      if (!inText || phonetic > 0) return;
      text += part;
      length += part.length;
      if (length > SHARED_LENGTH || text.length > CELL_LENGTH)
        throw new FileProblem("too_large", "The workbook's texts are longer than can be read.");
    },
    close: (name) => {
      inText = false;
      if (name === "rPh") phonetic--;
      if (name !== "si") return;
      if (texts.push(text) > SHARED_COUNT) throw new FileProblem("too_large", "The workbook has too many texts.");
    },
  });
  return texts;
};

/** `BC12` → 54. */
const columnOf = (reference: string): number => {
  let column = 0;
  for (let at = 0; at < reference.length; at++) {
    const code = reference.charCodeAt(at);
    if (code < 65 || code > 90) break;
    column = column * 26 + code - 64;
  }
  return column - 1;
};

/** Yields after each chunk of the sheet; `visit` gets the texts of the rows that are not empty. */
async function* sheetRows(book: Workbook, visit: (cells: string[], row: number) => void): AsyncGenerator<void> {
  const texts = await sharedTexts(book);
  const mostLength = Math.max(RATIO_FROM_BYTES, book.bytes * LARGEST_RATIO);
  let length = 0;
  let row = 0;
  let cells: string[] = [];
  let column = 0;
  let type = "n";
  let value = "";
  let inValue = false;
  const valueOf = (): string => {
    if (type === "s") {
      const text = texts[Number(value)];
      if (text === undefined)
        throw new FileProblem("unreadable_file", "A cell of the workbook names a text that is not there.");
      return text;
    }
    if (type === "b") return value === "1" ? "true" : "false";
    // Excel writes doubles with 17 digits: 2.5499999999999998 is 2.55.
    return type === "n" && value !== "" && Number.isFinite(Number(value)) ? String(Number(value)) : value;
  };
  yield* parse(book.zip, book.sheet, {
    open: (name, attributes) => {
      if (name === "row") {
        const before = row;
        row = attributes["r"] === undefined ? row + 1 : Number(attributes["r"]);
        if (!Number.isInteger(row) || row <= before || row > ROWS)
          throw new FileProblem(
            "unreadable_file",
            `The rows of the sheet are not numbered upwards from 1 to at most ${ROWS.toLocaleString("en")}.`,
          );
        cells = [];
        column = -1;
      } else if (name === "c") {
        const reference = attributes["r"];
        column = reference === undefined ? column + 1 : columnOf(reference);
        type = attributes["t"] ?? "n";
        value = "";
      } else inValue = name === "v" || name === "t";
    },
    text: (text) => {
      if (!inValue) return;
      value += text;
      if (value.length > CELL_LENGTH)
        throw new FileProblem("too_large", "A cell of the workbook is longer than can be read.");
    },
    close: (name) => {
      inValue = false;
      if (name === "c" && value !== "") {
        if (column < 0 || column >= COLUMNS)
          throw new FileProblem("too_large", `A sheet is read up to ${COLUMNS.toLocaleString("en")} columns.`);
        while (cells.length < column) cells.push("");
        const cell = (cells[column] = valueOf());
        // A text of 100 KB that a million cells refer to is a bomb too, in a file of some kilobytes.
        if ((length += cell.length) > mostLength)
          throw new FileProblem("too_large", "The cells of the workbook are longer together than can be read.");
      } else if (name === "row" && cells.some((cell) => cell.trim() !== "")) visit(cells, row);
    },
  });
}

/** @throws FileProblem that says what was expected */
export const workbookShape = async (
  objects: ObjectStore,
  key: string,
  bytes: number,
  options: UploadOptions,
): Promise<FileShape> => {
  const book = await openWorkbook(objects, key, bytes);
  try {
    let first: { cells: string[]; row: number } | undefined;
    for await (const _ of sheetRows(book, (cells, row) => (first ??= { cells, row }))) if (first !== undefined) break;
    if (first === undefined) throw new FileProblem("unreadable_file", "The first sheet of the workbook has no rows.");
    const { cells, row } = first;
    const base = {
      format: "xlsx",
      gzip: false,
      encoding: "utf-8",
      newline: 10,
      delimiter: ",",
      serials: book.serials,
    } as const;
    if (options.header === false) {
      const wanted = options.layout === undefined ? undefined : layoutNamed(options.layout);
      const columns = wanted === undefined ? undefined : columnsByPosition(wanted, cells.length);
      if (wanted === undefined || columns === undefined)
        throw new FileProblem("unknown_layout", "A sheet without a header needs a layout with as many fixed columns.");
      return { ...base, header: [], width: cells.length, layout: wanted.name, columns, start: { byte: 0, row } };
    }
    const { layout, columns } = known(recognise(cells, options.layout, options.mapping));
    return {
      ...base,
      header: cells,
      width: cells.length,
      layout: layout.name,
      columns,
      start: { byte: 0, row: row + 1 },
    };
  } finally {
    book.zip.close();
  }
};

/** Every row is spooled as a JSON list of its cells' texts: that stands for its original bytes. @throws FileProblem */
export async function* readWorkbook(
  objects: ObjectStore,
  key: string,
  from: Position,
  sink: RecordSink,
): AsyncGenerator<Position> {
  const bytes = await objects.size(key);
  const book = await openWorkbook(objects, key, bytes ?? 0);
  let next = from.row;
  try {
    const rows = sheetRows(book, (cells, row) => {
      if (row < next) return;
      const record = Buffer.from(JSON.stringify(cells), "utf8");
      sink(record, 0, record.length, row);
      next = row + 1;
    });
    for await (const _ of rows) yield { byte: 0, row: next };
  } finally {
    book.zip.close();
  }
}
