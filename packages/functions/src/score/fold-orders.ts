/** Stream records in, customers' recency, frequency and money up to date. Reports failed records by sequence number. */
import { setTimeout as sleep } from "node:timers/promises";
import type { KinesisStreamBatchResponse, KinesisStreamEvent } from "aws-lambda";
import { type Ports, TransientError } from "@ebb/ports";
import { logger } from "../runtime/logger.ts";
import { onAws } from "../runtime/on-aws.ts";
import { type Patience, foldBatch } from "./fold-batch.ts";
import { type ReadRecord, readRecord } from "./read-events.ts";

export type ScorePorts = Pick<Ports, "now" | "customers" | "quarantine" | "metrics" | "suppressions">;

/** Five tries within a second: 40, 80, 160 and 320 ms apart. What still fails the stream delivers again. */
const usualPatience: Patience = { attempts: 5, backoff: async (attempt) => void (await sleep(10 * 2 ** attempt)) };

export const make =
  (ports: ScorePorts, patience: Patience = usualPatience) =>
  async (batch: KinesisStreamEvent): Promise<KinesisStreamBatchResponse> => {
    const nowMs = ports.now();
    const records = batch.Records.map((record) => readRecord(record, nowMs));
    const erased = await ports.suppressions.current();
    const events = records.flatMap((record) => record.events).filter(({ customerKey }) => !erased.has(customerKey));

    const failed = new Set<string>();
    for (const event of await foldBatch(ports.customers, events, patience, ports.metrics))
      failed.add(event.sequenceNumber);
    for (const [index, record] of records.entries())
      if (!(await quarantined(ports, record))) failed.add(batch.Records[index]!.kinesis.sequenceNumber);

    if (events.length > 0) ports.metrics.count("OrderEventsRead", events.length);
    if (failed.size > 0) {
      ports.metrics.count("RecordsFailed", failed.size, { consumer: "score" });
      logger.warn("stream records are to be delivered again", { failed: failed.size, records: batch.Records.length });
    }
    return { batchItemFailures: Array.from(failed, (itemIdentifier) => ({ itemIdentifier })) };
  };

/** Whether nothing unreadable of the record remains to be kept. */
const quarantined = async (ports: ScorePorts, { unreadable }: ReadRecord): Promise<boolean> => {
  if (unreadable.length === 0) return true;
  try {
    await ports.quarantine.put(unreadable);
  } catch (error) {
    if (error instanceof TransientError) return false;
    throw error;
  }
  ports.metrics.count("EventsQuarantined", unreadable.length, { channel: "stream" });
  logger.warn("unreadable events of the stream are in quarantine", { events: unreadable.length });
  return true;
};

export const handler = onAws((ports: Ports) => make(ports));
