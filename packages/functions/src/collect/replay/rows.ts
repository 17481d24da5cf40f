/** Refused rows of a file, sent again as a file of their own, in mode `append`: rows that were taken stay as they are. */
import type { ReceiptId } from "@ebb/core/ids";
import { digest } from "@ebb/core/ids";
import type { QuarantinedItem, ReplayMark, Upload } from "@ebb/ports";
import type { ReplayPorts } from "../replay-quarantined.ts";
import type { FileShape } from "../files/file-shape.ts";
import { originalKeyOf } from "../files/originals.ts";
import { shapeOfUpload } from "../files/shape-of-upload.ts";
import { UploadOptions } from "../files/upload-options.ts";

type Selection = Omit<Parameters<ReplayPorts["quarantine"]["list"]>[0], "limit" | "cursor">;

const PAGE = 500;

async function* itemsOf(ports: ReplayPorts, selection: Selection): AsyncGenerator<readonly QuarantinedItem[]> {
  for (let cursor: string | undefined; ;) {
    const page = await ports.quarantine.list({ ...selection, limit: PAGE, cursor });
    if (page.items.length > 0) yield page.items;
    cursor = page.cursor;
    if (cursor === undefined) return;
  }
}

/** Puts the rows as an upload and asks for its processing. Answers why that is not possible, where it is not. */
export const sendFile = async (
  ports: ReplayPorts,
  { from, to, selection, replayId }: { from: ReceiptId; to: ReceiptId; selection: Selection; replayId: string },
): Promise<string | undefined> => {
  const original = await ports.uploads.get(from);
  const bytes = original === undefined ? undefined : await ports.objects.size(original.objectKey);
  if (original === undefined || bytes === undefined)
    return "the file is kept for seven days, and its header with it: send the rows as a new file (ebb quarantine --original)";
  const options = UploadOptions.parse(original.options);
  const shape = await shapeOfUpload(ports.objects, original.objectKey, bytes, options);
  if (shape.format === "blanks" || shape.serials === 1904) return `rows of this kind of file cannot be sent alone`;
  const nowMs = ports.now();
  const objectKey = originalKeyOf(to, nowMs);
  await ports.objects.put(objectKey, contentOf(ports, shape, selection));
  const upload: Upload = {
    uploadId: to,
    state: "queued",
    source: original.source,
    filename: `replay ${replayId} of ${original.filename ?? from}`.slice(0, 255),
    objectKey,
    options: optionsOf(options, shape),
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
  };
  await ports.uploads.put(upload);
  await ports.jobs.processUpload(to);
  return undefined;
};

const optionsOf = (options: UploadOptions, shape: FileShape): Upload["options"] => ({
  ...options,
  mode: "append",
  layout: shape.layout,
  encoding: shape.encoding === "windows-1252" ? "windows-1252" : "utf-8",
  ...(shape.format === "json_lines" ? {} : { header: shape.header.length > 0, delimiter: delimiterOf(shape) }),
  ...(shape.format === "xlsx" && options.date_format === undefined ? { date_format: "excel" } : {}),
});

const delimiterOf = (shape: FileShape): string => (shape.format === "xlsx" ? "," : shape.delimiter);

/** Rows that may spoil their neighbours, such as one with a quote that is never closed, stand last. */
async function* contentOf(ports: ReplayPorts, shape: FileShape, selection: Selection): AsyncGenerator<Uint8Array> {
  const encoding = shape.encoding === "windows-1252" ? "latin1" : "utf8";
  if (shape.format !== "json_lines" && shape.header.length > 0)
    yield Buffer.from(
      `${shape.header.map((name) => quotedField(name, delimiterOf(shape))).join(delimiterOf(shape))}\n`,
      encoding,
    );
  for (const spoils of [false, true])
    for await (const items of itemsOf(ports, selection))
      for (const item of items) {
        if (item.code === "customer_erased" || (item.code === "malformed_row") !== spoils) continue;
        yield Buffer.concat([rowOf(item.original, shape), Buffer.from("\n")]);
      }
}

/** The row as the new file has it: cells of a workbook as CSV, UTF-16 as UTF-8. */
const rowOf = (original: Uint8Array, shape: FileShape): Buffer => {
  const bytes = Buffer.from(original);
  if (shape.format === "xlsx")
    return Buffer.from(
      (JSON.parse(bytes.toString("utf8")) as string[]).map((cell) => quotedField(cell, ",")).join(","),
    );
  if (shape.encoding === "utf-16le") return Buffer.from(bytes.toString("utf16le"));
  if (shape.encoding === "utf-16be") return Buffer.from(Buffer.from(bytes).swap16().toString("utf16le"));
  return bytes;
};

const quotedField = (text: string, delimiter: string): string =>
  text.includes(delimiter) || /["\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

/** Marks the rows by what became of them in the new file: told by their bytes, for their numbers are others there. */
export const markRows = async (
  ports: ReplayPorts,
  { to, selection }: { to: ReceiptId; selection: Selection },
): Promise<{ appended: number; refused: number }> => {
  const refusedAgain = new Map<string, number>();
  for await (const items of itemsOf(ports, { receiptId: to }))
    for (const { original } of items) {
      const name = nameOf(original);
      refusedAgain.set(name, (refusedAgain.get(name) ?? 0) + 1);
    }
  const counts = { appended: 0, refused: 0 };
  const atMs = ports.now();
  // Rows that are marked already, by a run that was cut off here, are not in the selection any more.
  const marks: ReplayMark[] = [];
  for await (const items of itemsOf(ports, selection))
    for (const { receiptId, rowNumber, original, code } of items) {
      if (code === "customer_erased") continue;
      const name = nameOf(original);
      const left = refusedAgain.get(name) ?? 0;
      if (left > 0) refusedAgain.set(name, left - 1);
      const outcome = left > 0 ? "refused" : "appended";
      counts[outcome]++;
      marks.push({ receiptId, rowNumber, replayed: { receiptId: to, outcome, atMs } });
    }
  for (let at = 0; at < marks.length; at += PAGE) await ports.quarantine.markReplayed(marks.slice(at, at + PAGE));
  return counts;
};

const nameOf = (original: Uint8Array): string => digest(Buffer.from(original).toString("base64"));
