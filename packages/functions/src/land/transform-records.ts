/**
 * Firehose's transform: every line of a record is checked before it is converted to Parquet. What cannot land goes to
 * quarantine; the rest passes as it is.
 *
 * Event and answer: https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-status-model.html. `Ok` lands,
 * `Dropped` is done with, `ProcessingFailed` is kept by Firehose under its error prefix.
 */
import { refusalOf, unlandable } from "@ebb/lake/landing";
import { type Ports, type QuarantinedItem, type SuppressionList, lineWithoutErased } from "@ebb/ports";
import { z } from "zod";
import { logger } from "../runtime/logger.ts";
import { onAws } from "../runtime/on-aws.ts";
import { eventLinesOf } from "../runtime/stream-records.ts";

/** What is read of a Firehose transformation event; the rest of it is not needed. */
const TransformationEvent = z.object({
  records: z.array(z.object({ recordId: z.string(), data: z.string() })),
});

export interface TransformedRecord {
  readonly recordId: string;
  readonly result: "Ok" | "Dropped" | "ProcessingFailed";
  /** Base64. Firehose wants the field in every record. */
  readonly data: string;
}

/** Lambda's limit of a synchronous answer is 6 MB (6,291,556 bytes); some is left for what surrounds the records. */
const ANSWER_BYTES = 6_000_000;
/** JSON around `recordId` and `data` of one record, bytes. */
const RECORD_OVERHEAD_BYTES = 64;

const NEWLINE = Buffer.from("\n");

interface Sorted {
  readonly recordId: string;
  readonly good: readonly Uint8Array[];
  readonly refused: readonly QuarantinedItem[];
}

const sort = (recordId: string, base64: string, nowMs: number, erased: SuppressionList): Sorted => {
  const good: Uint8Array[] = [];
  const refused: QuarantinedItem[] = [];
  // Firehose has undone the KPL's aggregation already; what it has not is undone here.
  for (const given of eventLinesOf(Buffer.from(base64, "base64"))) {
    const line = lineWithoutErased(given, erased);
    const refusal = refusalOf(line);
    if (refusal === undefined) good.push(line, NEWLINE);
    else refused.push(unlandable(line, refusal, nowMs));
  }
  return { recordId, good, refused };
};

export const make = (ports: Pick<Ports, "quarantine" | "metrics" | "now" | "suppressions">) => {
  const quarantined = async (items: readonly QuarantinedItem[]): Promise<boolean> => {
    if (items.length === 0) return true;
    try {
      await ports.quarantine.put(items);
      ports.metrics.count("EventsQuarantined", items.length, { channel: "land" });
      return true;
    } catch (error) {
      logger.error("quarantine cannot be written", { items: items.length, error: error as Error });
      return false;
    }
  };

  return async (event: unknown): Promise<{ records: TransformedRecord[] }> => {
    const { records } = TransformationEvent.parse(event);
    const erased = await ports.suppressions.current();
    const sorted = records.map(({ recordId, data }) => sort(recordId, data, ports.now(), erased));
    const isQuarantined = await quarantined(sorted.flatMap(({ refused }) => refused));
    let bytes = 0;
    return {
      records: sorted.map(({ recordId, good, refused }): TransformedRecord => {
        bytes += recordId.length + RECORD_OVERHEAD_BYTES;
        const failed: TransformedRecord = { recordId, result: "ProcessingFailed", data: "" };
        if (refused.length > 0 && !isQuarantined) return failed;
        if (good.length === 0) return { recordId, result: "Dropped", data: "" };
        const data = Buffer.concat(good).toString("base64");
        // Only what Firehose did not send in one request could come here; it keeps the record, and the alarm on failed
        // records speaks up.
        if (bytes + data.length > ANSWER_BYTES) return failed;
        bytes += data.length;
        return { recordId, result: "Ok", data };
      }),
    };
  };
};

export const handler = onAws(make);
