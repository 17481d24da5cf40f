/**
 * One stream record holds one event or many. On Kinesis many are packed in the KPL aggregation format, which Firehose
 * undoes by itself; the embedded log packs them as JSON lines. This reads both.
 */
import { isAggregated, userRecords } from "@ebb/core/kpl";
import { linesOf } from "@ebb/lake/landing";

/** The JSON texts of the events in a stream record's data. @throws SyntaxError on a broken aggregate. */
export const eventTextsOf = (data: Uint8Array): string[] => {
  const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (isAggregated(buffer)) return userRecords(buffer).map((record) => Buffer.from(record.data).toString("utf8"));
  return buffer
    .toString("utf8")
    .split("\n")
    .filter((line) => line !== "");
};

/** The same as the bytes that came, valid UTF-8 or not. A broken aggregate is one line, which nobody can read. */
export const eventLinesOf = (data: Buffer): Uint8Array[] => {
  if (!isAggregated(data)) return [...linesOf(data)];
  try {
    return userRecords(data).flatMap((record) => [...linesOf(record.data)]);
  } catch {
    return [data];
  }
};
