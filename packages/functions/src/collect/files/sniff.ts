/** Finds out from the beginning of a file what it is and how its records are read. */
import { isUtf8 } from "node:buffer";
import { blankSeparated, delimiterOf, fieldsOf } from "@ebb/core/files/csv";
import type { NotRecognised, Recognised } from "@ebb/core/files/header";
import { columnsByPosition, recognise } from "@ebb/core/files/header";
import { layoutNamed } from "@ebb/core/files/layouts";
import { FileProblem } from "./file-problem.ts";
import type { FileShape } from "./file-shape.ts";
import { parseJsonRecord } from "./record-reader.ts";
import { RecordSplitter } from "./split-records.ts";
import { gunzipped, isGzip } from "./unpacked.ts";
import type { UploadOptions } from "./upload-options.ts";

/** What is looked at: enough for a header of hundreds of columns and for the encoding of a good many rows. */
export const SAMPLE_BYTES = 1_000_000;

const EXPECTED =
  "Expected is a CSV file with a header, JSON Lines, or an XLSX workbook; each may be packed by gzip (XLSX not).";

export type Sniffed = FileShape | { readonly format: "xlsx"; readonly workbook: true };

const startsWith = (bytes: Buffer, ...magic: number[]): boolean => magic.every((byte, index) => bytes[index] === byte);

export const isWorkbook = (bytes: Buffer): boolean => startsWith(bytes, 0x50, 0x4b, 0x03, 0x04);

/** @param sample the first `SAMPLE_BYTES` of the file, unpacked. @throws FileProblem */
const refuseBinary = (sample: Buffer): void => {
  if (startsWith(sample, 0xd0, 0xcf, 0x11, 0xe0))
    throw new FileProblem(
      "unreadable_file",
      `The file is a workbook of the old binary form (XLS). Save it as XLSX or CSV. ${EXPECTED}`,
    );
  if (isWorkbook(sample))
    throw new FileProblem(
      "unreadable_file",
      `The file is a zip archive inside gzip. Send an XLSX workbook as it is. ${EXPECTED}`,
    );
  if (sample.subarray(0, 4096).includes(0)) throw new FileProblem("unreadable_file", `The file is binary. ${EXPECTED}`);
};

/** Two bytes a character without a mark: every other byte of the beginning is zero. */
const wideEncoding = (sample: Buffer): FileShape["encoding"] | undefined => {
  if (startsWith(sample, 0xff, 0xfe)) return "utf-16le";
  if (startsWith(sample, 0xfe, 0xff)) return "utf-16be";
  const zeros = [0, 0];
  const length = Math.min(sample.length, 200) & ~1;
  for (let at = 0; at < length; at++) if (sample[at] === 0) zeros[at & 1]!++;
  const half = length / 2;
  if (half >= 4 && zeros[1]! > half * 0.9 && zeros[0] === 0) return "utf-16le";
  return half >= 4 && zeros[0]! > half * 0.9 && zeros[1] === 0 ? "utf-16be" : undefined;
};

/** The sample without a character that its end may have cut. */
const wholeCharacters = (sample: Buffer): Buffer => {
  for (let back = 0; back < 4; back++) {
    const cut = sample.subarray(0, sample.length - back);
    if (isUtf8(cut)) return cut;
  }
  return sample;
};

/**
 * UTF-8 unless the sample says otherwise: windows-1252 is taken where bytes that are no UTF-8 stand in at least two
 * lines and not one character of UTF-8 beyond ASCII is there. One bad line is a bad line, and is refused.
 */
const singleByte = (sample: Buffer): "utf-8" | "windows-1252" => {
  if (isUtf8(wholeCharacters(sample))) return "utf-8";
  let bad = 0;
  for (let at = 0; at < sample.length;) {
    const newline = sample.indexOf(10, at);
    const line = sample.subarray(at, newline === -1 ? sample.length : newline);
    at = newline === -1 ? sample.length : newline + 1;
    const isAscii = line.every((byte) => byte < 0x80);
    if (isAscii) continue;
    if (isUtf8(line)) return "utf-8";
    bad++;
  }
  return bad >= 2 ? "windows-1252" : "utf-8";
};

/**
 * @param raw the first `SAMPLE_BYTES` of the file as it lies in the store
 * @param whole the sample is the whole file
 * @throws FileProblem that says what was expected
 */
export const sniff = async (raw: Buffer, whole: boolean, options: UploadOptions): Promise<Sniffed> => {
  if (raw.length === 0) throw new FileProblem("unreadable_file", `The file is empty. ${EXPECTED}`);
  if (isWorkbook(raw)) return { format: "xlsx", workbook: true };
  const gzip = isGzip(raw);
  let sample = gzip ? await unpackedSample(raw, whole) : raw;
  const wide = options.encoding?.startsWith("utf-16") ? options.encoding : wideEncoding(sample);
  if (wide !== undefined && options.encoding !== "utf-8" && options.encoding !== "windows-1252")
    sample = Buffer.from(
      new TextDecoder(wide, { ignoreBOM: true }).decode(sample.subarray(0, sample.length & ~1)),
      "utf8",
    );
  else refuseBinary(sample);
  const encoding = options.encoding ?? wide ?? singleByte(sample);
  return textShape(sample, { gzip, encoding }, options);
};

const unpackedSample = async (raw: Buffer, whole: boolean): Promise<Buffer> => {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of gunzipped([raw] as unknown as AsyncIterable<Buffer>)) {
      parts.push(chunk);
      size += chunk.length;
      if (size >= SAMPLE_BYTES) break;
    }
  } catch (error) {
    // A sample that ends in the middle of a packed file is cut off by nature.
    if (!(error instanceof FileProblem) || whole || size === 0) throw error;
  }
  return Buffer.concat(parts).subarray(0, SAMPLE_BYTES);
};

interface FirstLine {
  readonly text: string;
  /** The place after it. */
  readonly next: { readonly byte: number; readonly row: number };
}

/** The records of the sample that are lines, blank ones left out. */
const linesOf = function* (
  sample: Buffer,
  newline: number,
  decode: (bytes: Buffer) => string,
): Generator<FirstLine, undefined> {
  const bom = startsWith(sample, 0xef, 0xbb, 0xbf) ? 3 : 0;
  for (let at = bom, row = 1; at < sample.length; row++) {
    const found = sample.indexOf(newline, at);
    const end = found === -1 ? sample.length : found;
    const text = decode(sample.subarray(at, end)).replace(/\r$/, "");
    at = end + 1;
    if (text.trim() !== "") yield { text, next: { byte: Math.min(at, sample.length), row: row + 1 } };
  }
  return undefined;
};

const textShape = (
  sample: Buffer,
  { gzip, encoding }: Pick<FileShape, "gzip" | "encoding">,
  options: UploadOptions,
): FileShape => {
  const newline = !sample.includes(10) && sample.includes(13) ? 13 : 10;
  const decoder = new TextDecoder(encoding === "windows-1252" ? "windows-1252" : "utf-8");
  const lines = linesOf(sample, newline, (bytes) => decoder.decode(bytes));
  let first = lines.next().value;
  if (first === undefined) throw new FileProblem("unreadable_file", `The file has no rows. ${EXPECTED}`);
  const base = { gzip, encoding, newline, delimiter: options.delimiter ?? ",", start: first.next };
  if (first.text.trimStart().startsWith("{")) return jsonShape(sample, base, options);
  if (first.text.trimStart().startsWith("["))
    throw new FileProblem(
      "unreadable_file",
      `The file is a JSON list. Send JSON Lines: one object a line. ${EXPECTED}`,
    );
  const separator = /^sep=(.)$/i.exec(first.text)?.[1];
  if (separator !== undefined) {
    first = lines.next().value;
    if (first === undefined) throw new FileProblem("unreadable_file", `The file has no rows. ${EXPECTED}`);
  }
  const wanted = options.layout === undefined ? undefined : layoutNamed(options.layout);
  const blanks = blankSeparated(first.text);
  const isBlanks =
    wanted?.whitespace === true ||
    (options.delimiter === undefined &&
      wanted === undefined &&
      recognise(blanks, undefined).layout?.whitespace === true);
  const delimiter = options.delimiter ?? separator ?? delimiterOf(first.text);
  const names = isBlanks ? blanks : fieldsOf(first.text, delimiter);
  if (names === undefined)
    throw new FileProblem("unreadable_file", `The first line opens a quote that it does not close. ${EXPECTED}`);
  const format = isBlanks ? "blanks" : "delimited";
  if (options.header === false || wanted?.headerless === true) {
    const columns = wanted === undefined ? undefined : columnsByPosition(wanted, names.length);
    if (wanted === undefined || columns === undefined)
      throw new FileProblem(
        "unknown_layout",
        `A file without a header needs a layout with fixed columns; its first row has ${names.length} fields${
          wanted?.positions === undefined ? "" : ` and ${wanted.name} has ${wanted.positions.length}`
        }.`,
      );
    const bom = startsWith(sample, 0xef, 0xbb, 0xbf) ? 3 : 0;
    return {
      ...base,
      format,
      delimiter,
      header: [],
      width: names.length,
      layout: wanted.name,
      columns,
      start: { byte: bom, row: 1 },
    };
  }
  const { layout, columns } = known(recognise(names, options.layout, options.mapping));
  return {
    ...base,
    format,
    delimiter,
    header: names,
    width: names.length,
    layout: layout.name,
    columns,
    start: first.next,
  };
};

/** @throws FileProblem with what was expected */
export const known = (found: Recognised | NotRecognised): Recognised => {
  if (found.layout === undefined) throw new FileProblem("unknown_layout", found.message, { expected: found.expected });
  return found;
};

/** Names are gathered over the objects of the sample: a field may be left out of the first. */
const jsonShape = (
  sample: Buffer,
  base: Pick<FileShape, "gzip" | "encoding" | "newline" | "delimiter">,
  options: UploadOptions,
): FileShape => {
  const names = new Set<string>();
  const start = { byte: startsWith(sample, 0xef, 0xbb, 0xbf) ? 3 : 0, row: 1 };
  const splitter = new RecordSplitter({ newline: base.newline }, start, (bytes, from, to) => {
    const record = parseJsonRecord(bytes.toString("utf8", from, to));
    if (record !== undefined && names.size < 1000) for (const name of Object.keys(record)) names.add(name);
  });
  splitter.push(sample.subarray(start.byte));
  splitter.end();
  const header = [...names];
  if (header.length === 0)
    throw new FileProblem("unreadable_file", `No line of the file's beginning is a JSON object. ${EXPECTED}`);
  const { layout, columns } = known(recognise(header, options.layout, options.mapping));
  return { ...base, format: "json_lines", header, width: header.length, layout: layout.name, columns, start };
};
