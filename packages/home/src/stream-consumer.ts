/**
 * Brings the log's records to a stream handler as Kinesis events, under the settings that the event source mapping has
 * in AWS. The offset is committed in the transaction of the handler's effect, so a record is neither lost nor counted
 * twice whatever happens between the two.
 */
import { randomUUID } from "node:crypto";
import type { Context, KinesisStreamEvent } from "aws-lambda";
import type { StreamConsumer as Settings } from "@ebb/functions/declarations";
import { logger } from "@ebb/functions/runtime/logger";
import { recordInProcess } from "@ebb/functions/runtime/stream-records";
import type { Metrics, ObjectStore } from "@ebb/ports";
import { type GivenUp, type Outcome, type Portion, judge } from "./batch-delivery.ts";
import { contextOf } from "./http-event.ts";

export const STREAM_ARN = "arn:aws:kinesis:home:000000000000:stream/events";
const SHARD = "shardId-000000000000";
/**
 * What one batch is made of lives until its transaction ends: with the 4.4 MB that a Lambda request can hold the score
 * thread took a tenth more CPU, for the collector. Never more than those.
 */
const INVOCATION_BYTES = 1_000_000;
const RETRY_FIRST_MS = 100;
const RETRY_LONGEST_MS = 60_000;

/** What a consumer reads from the log. */
export interface LogRecord {
  readonly seq: number;
  readonly arrivedAtMs: number;
  readonly data: Uint8Array;
}

export interface Source {
  /** Records after `afterSeq`, oldest first. */
  read(afterSeq: number, maxRecords: number, maxBytes: number): LogRecord[];
  /** Told of what it answered when all of it is done with. */
  readonly done?: (records: readonly LogRecord[]) => void;
}

/** Where the handler's effect and the offset are kept together. */
export interface Effects {
  offset(consumer: string): Promise<number>;
  saveOffset(consumer: string, seq: number): Promise<void>;
  /** Everything that `work` writes is committed with it, or nothing is. */
  transaction<T>(work: () => Promise<T>): Promise<T>;
}

export interface ConsumerParts {
  readonly settings: Settings;
  readonly handle: (event: KinesisStreamEvent, context: Context) => Promise<unknown>;
  readonly source: Source;
  readonly effects: Effects;
  /** Takes what is given up: whole invocation records. */
  readonly deadLetters: Pick<ObjectStore, "put">;
  readonly metrics: Metrics;
  readonly now: () => number;
  readonly timeoutMs: number;
  /** Waits; ends early when `signal` fires. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

interface Delivered {
  readonly seq: number;
  readonly sequenceNumber: string;
  readonly arrivedAtMs: number;
  readonly data: Uint8Array;
}

/** 56 digits as Kinesis has them, so that they compare as text like as numbers. */
export const sequenceNumberOf = (seq: number): string => `49${String(seq).padStart(54, "0")}`;

const eventOf = (records: readonly Delivered[]): KinesisStreamEvent => ({
  Records: records.map((record) => ({
    eventID: `${SHARD}:${record.sequenceNumber}`,
    eventName: "aws:kinesis:record",
    eventSource: "aws:kinesis",
    eventSourceARN: STREAM_ARN,
    eventVersion: "1.0",
    awsRegion: "home",
    invokeIdentityArn: "arn:aws:iam::000000000000:role/home",
    kinesis: recordInProcess(
      {
        kinesisSchemaVersion: "1.0",
        partitionKey: String(record.seq),
        sequenceNumber: record.sequenceNumber,
        approximateArrivalTimestamp: record.arrivedAtMs / 1000,
      },
      record.data,
    ),
  })),
});

/** A handler's own error, apart from one of the store around it. */
class HandlerThrew extends Error {
  override readonly name = "HandlerThrew";
}

export class StreamConsumer {
  readonly #parts: ConsumerParts;
  #offset: number;

  private constructor(parts: ConsumerParts, offset: number) {
    this.#parts = parts;
    this.#offset = offset;
  }

  static async open(parts: ConsumerParts): Promise<StreamConsumer> {
    return new StreamConsumer(parts, await parts.effects.offset(parts.settings.name));
  }

  /** Sequence number of the last record that is done with. */
  get offset(): number {
    return this.#offset;
  }

  /** Reads one batch and sees it through. False when the log holds nothing new. Throws only for faults of the home. */
  async step(signal: AbortSignal): Promise<boolean> {
    const { settings, source } = this.#parts;
    let records = source.read(this.#offset, settings.batchSize, INVOCATION_BYTES);
    if (records.length === 0) return false;
    if (settings.windowSeconds > 0 && records.length < settings.batchSize) {
      await this.#parts.sleep(settings.windowSeconds * 1000, signal);
      records = source.read(this.#offset, settings.batchSize, INVOCATION_BYTES);
    }
    const pending: Portion<Delivered>[] = [
      {
        records: records.map((record) => ({ ...record, sequenceNumber: sequenceNumberOf(record.seq) })),
        failedAttempts: 0,
      },
    ];
    for (let portion = pending.shift(); portion !== undefined && !signal.aborted; portion = pending.shift()) {
      if (portion.failedAttempts > 0)
        await this.#parts.sleep(Math.min(RETRY_FIRST_MS * 2 ** (portion.failedAttempts - 1), RETRY_LONGEST_MS), signal);
      if (!signal.aborted) pending.unshift(...(await this.#deliver(portion)));
    }
    source.done?.(records);
    return true;
  }

  /** One invocation; answers what is to be delivered next. */
  async #deliver(portion: Portion<Delivered>): Promise<readonly Portion<Delivered>[]> {
    const { settings, handle, effects, now, timeoutMs } = this.#parts;
    const deadlineMs = performance.now() + timeoutMs; // by a clock that nobody sets
    const requestId = randomUUID();
    const context = contextOf(settings.handler, requestId, () => deadlineMs - performance.now());
    let verdict;
    try {
      verdict = await effects.transaction(async () => {
        let response: unknown;
        try {
          response = await handle(eventOf(portion.records), context);
        } catch (error) {
          throw new HandlerThrew("the handler failed", { cause: error });
        }
        const answered = judge(portion, { kind: "answered", response }, settings, now());
        const last = answered.done.at(-1);
        if (last !== undefined) await effects.saveOffset(settings.name, last.seq);
        return answered;
      });
    } catch (error) {
      if (!(error instanceof HandlerThrew)) throw error;
      logger.warn("a batch failed", {
        consumer: settings.name,
        records: portion.records.length,
        cause: messageOf(error.cause),
      });
      this.#parts.metrics.count("BatchesFailed", 1, { consumer: settings.name });
      verdict = judge(portion, { kind: "threw" } satisfies Outcome, settings, now());
    }
    this.#offset = verdict.done.at(-1)?.seq ?? this.#offset;
    if (verdict.givenUp !== undefined) await this.#giveUp(verdict.givenUp, requestId);
    return verdict.again;
  }

  /** Keeps the whole invocation record, as Lambda's S3 destination does, and goes past it. */
  async #giveUp(givenUp: GivenUp<Delivered>, requestId: string): Promise<void> {
    const { settings, deadLetters, effects, metrics, now } = this.#parts;
    const first = givenUp.records[0]!;
    const last = givenUp.records.at(-1)!;
    // The same records are written to the same place again after a crash before the offset moved.
    const key = `failed/${settings.name}/${SHARD}/${first.sequenceNumber}-${last.sequenceNumber}.json`;
    const record = {
      requestContext: {
        requestId,
        functionArn: settings.handler,
        condition: givenUp.condition,
        approximateInvokeCount: givenUp.invocations,
      },
      responseContext: { statusCode: 200, executedVersion: "$LATEST", functionError: "Unhandled" },
      version: "1.0",
      timestamp: new Date(now()).toISOString(),
      KinesisBatchInfo: {
        shardId: SHARD,
        startSequenceNumber: first.sequenceNumber,
        endSequenceNumber: last.sequenceNumber,
        approximateArrivalOfFirstRecord: new Date(first.arrivedAtMs).toISOString(),
        approximateArrivalOfLastRecord: new Date(last.arrivedAtMs).toISOString(),
        batchSize: givenUp.records.length,
        streamArn: STREAM_ARN,
      },
      payload: JSON.stringify(eventOf(givenUp.records)),
    };
    await deadLetters.put(key, Buffer.from(JSON.stringify(record)));
    await effects.saveOffset(settings.name, last.seq);
    this.#offset = last.seq;
    metrics.count("RecordsGivenUp", givenUp.records.length, { consumer: settings.name });
    logger.error("records were given up and kept as a dead letter", {
      consumer: settings.name,
      records: givenUp.records.length,
      condition: givenUp.condition,
      object: key,
    });
  }
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);
