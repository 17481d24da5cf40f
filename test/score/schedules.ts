/**
 * Seeded schedules of everything that at-least-once delivery allows, through the real score handler: duplicates,
 * reordering, redelivery with new sequence numbers, shards that split, crashes at any await of the store, other writers in
 * between, throttling. Whatever happened, each customer's RFM is the plain computation over the distinct events.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KinesisStreamEvent, KinesisStreamRecord } from "aws-lambda";
import type { CustomerKey } from "@ebb/core/ids";
import type { OrderEvent } from "@ebb/core/orders";
import { aggregate } from "@ebb/core/kpl";
import { logger } from "@ebb/functions/runtime/logger";
import { MemorySuppressions } from "@ebb/ports/suppression-list";
import { make } from "@ebb/functions/score/fold-orders";
import { type CustomerStore, type QuarantinedItem, TransientError } from "@ebb/ports";
import { checkCustomer } from "./check-customer.ts";
import { type Chaos, Crash, chaoticStore } from "./chaos.ts";
import { makeEvents } from "./order-events.ts";
import { Random } from "./random.ts";

export interface ScheduleStore {
  readonly store: CustomerStore;
  /** The same customers by a way on which nothing goes wrong, to read the result: absent where `store` is that. */
  readonly calm?: CustomerStore;
  /** Runs a delivery as the home does, e.g. in one transaction. Every second schedule uses it, where there is one. */
  readonly deliver?: <T>(work: () => Promise<T>) => Promise<T>;
  readonly close: () => Promise<void>;
}

/** Deliveries after which nothing goes wrong any more, so that a schedule ends. */
const CHAOTIC_DELIVERIES = 12;
const GARBAGE = '{"event_id":';
/** What the score stage has no part in: another kind, and an order of an unknown customer. */
const NOISE = [
  JSON.stringify({
    event_id: "evt_0",
    kind: "page",
    source: "shop",
    occurred_at: "2024-01-01T00:00:00.000Z",
    customer_key: "cus_1",
  }),
  JSON.stringify({
    event_id: "evt_1",
    kind: "order_completed",
    source: "shop",
    occurred_at: "2024-01-01T00:00:00.000Z",
    order_id: "1",
    reporting_minor: 5,
  }),
];

/** Makes stream records: every event at least once, some several times, in any order, a few in a record. */
const makeStream = (random: Random, events: readonly OrderEvent[], garbage: boolean): KinesisStreamRecord[] => {
  const lines = events.map((event) => JSON.stringify(event));
  const sent = [...lines, ...lines.filter(() => random.chance(0.3)), ...NOISE, ...(garbage ? [GARBAGE] : [])];
  const shuffled = random.chance(0.7) ? random.shuffled(sent) : sent;
  const datas: Uint8Array[] = [];
  while (shuffled.length > 0) {
    const some = shuffled.splice(0, random.between(1, 6));
    // As the log of one machine packs them, or as the one on Kinesis does.
    if (random.chance(0.5)) datas.push(Buffer.from(some.join("\n")));
    else datas.push(aggregate(some.map((line) => ({ partitionKey: "0", data: Buffer.from(line) }))));
  }
  for (const data of [...datas]) if (random.chance(0.2)) datas.splice(random.between(0, datas.length), 0, data);
  return datas.map((data, index) => ({
    awsRegion: "home",
    eventID: `shardId-000000000000:${index}`,
    eventName: "aws:kinesis:record",
    eventSource: "aws:kinesis",
    eventSourceARN: "arn:aws:kinesis:home:000000000000:stream/events",
    eventVersion: "1.0",
    invokeIdentityArn: "arn:aws:iam::000000000000:role/home",
    kinesis: {
      approximateArrivalTimestamp: index,
      data: Buffer.from(data).toString("base64"),
      kinesisSchemaVersion: "1.0",
      partitionKey: "0",
      sequenceNumber: `49${String(index).padStart(54, "0")}`,
    },
  }));
};

/**
 * A shard that split: the parent up to a place, then two children at once. What the parent had in hand when it ended comes
 * again on a child, under a new number.
 */
const resharded = (random: Random, records: readonly KinesisStreamRecord[]): KinesisStreamRecord[][][] => {
  const place = random.between(0, records.length);
  const again = records.slice(Math.max(0, place - random.between(0, 4)), place);
  const children: KinesisStreamRecord[][] = [[], []];
  for (const [index, record] of [...again, ...records.slice(place)].entries()) {
    const shard = random.between(0, 1);
    const sequenceNumber = `50${String(index).padStart(54, "0")}`;
    children[shard]!.push({ ...record, kinesis: { ...record.kinesis, sequenceNumber } });
  }
  return [[records.slice(0, place)], children];
};

/** Delivers a stream as an event source mapping does: from the lowest failed record on, in halves after a crash. */
const consume = async (
  random: Random,
  records: readonly KinesisStreamRecord[],
  chaos: Chaos,
  largestBatch: number,
  deliver: (event: KinesisStreamEvent) => Promise<{ batchItemFailures: { itemIdentifier: string }[] }>,
): Promise<void> => {
  let at = 0;
  let size = random.between(1, largestBatch);
  for (let delivery = 0; at < records.length; delivery++) {
    assert.ok(delivery < 10_000, "the schedule does not end");
    if (delivery >= CHAOTIC_DELIVERIES) chaos.probability = 0;
    const batch = records.slice(at, at + size);
    let response;
    try {
      response = await deliver({ Records: batch });
    } catch (error) {
      if (!(error instanceof Crash) && !(error instanceof TransientError)) throw error;
      size = Math.max(1, Math.ceil(size / 2));
      continue;
    }
    const failed = response.batchItemFailures.map(({ itemIdentifier }) =>
      batch.findIndex((record) => record.kinesis.sequenceNumber === itemIdentifier),
    );
    assert.ok(!failed.includes(-1), "a record that was not delivered is reported as failed");
    at += failed.length === 0 ? batch.length : Math.min(...failed);
    // The checkpoint itself may be lost: what was done is delivered again.
    if (random.chance(chaos.probability)) at = Math.max(0, at - random.between(1, 5));
    size = random.between(1, largestBatch);
  }
};

/** @throws AssertionError when a customer is not what the plain computation says */
export const runSchedule = async (opened: ScheduleStore, name: string, number: number, seed: number): Promise<void> => {
  const random = new Random(seed * 100_003 + number);
  const crowded = number % 100 === 99; // more orders than one write holds
  const largestBatch = crowded ? 200 : 8;
  const customers = Array.from({ length: random.between(1, 3) }, (_, index) => `${name} ${seed} ${number} ${index}`);
  const events = customers.flatMap((customer, index) =>
    makeEvents(random, customer, crowded && index === 0 ? 130 : random.between(1, 5)),
  );
  const records = makeStream(random, events, number % 7 === 0);
  const chaos: Chaos = { probability: random.pick([0, 0.02, 0.1, 0.25]) };
  const kept = new Map<string, QuarantinedItem>();
  const ports = {
    now: () => 1_700_000_000_000,
    metrics: { count: () => undefined },
    suppressions: new MemorySuppressions("a second secret of thirty-two and more characters"),
    quarantine: {
      put: async (items: readonly QuarantinedItem[]) => {
        if (random.chance(chaos.probability)) throw new TransientError("throttled");
        for (const item of items) kept.set(Buffer.from(item.original).toString(), item);
      },
      list: () => Promise.reject(new Error("not used")),
      counts: () => Promise.reject(new Error("not used")),
      markReplayed: () => Promise.reject(new Error("not used")),
    },
  };
  const patience = { attempts: 3, backoff: () => Promise.resolve() };
  const undisturbed = make({ ...ports, customers: opened.store }, patience);
  // Another consumer (a shard that was split, a rerun by hand) that is at work on some of the same records.
  const rival = async (keys: readonly CustomerKey[]) => {
    const own = records.filter((record) => {
      const text = Buffer.from(record.kinesis.data, "base64").toString();
      return keys.some((key) => text.includes(key)) && random.chance(0.5);
    });
    await undisturbed({ Records: own.slice(0, 4) });
  };
  const handle = make({ ...ports, customers: chaoticStore(opened.store, random, chaos, rival) }, patience);
  const deliver = number % 2 === 1 && opened.deliver !== undefined ? opened.deliver : undefined;
  const one = (event: KinesisStreamEvent) => (deliver === undefined ? handle(event) : deliver(() => handle(event)));
  // Every third stream is read by two at once, every fifth is on a shard that splits.
  const shards = number % 5 === 2 ? resharded(random, records) : [number % 3 === 0 ? [records, records] : [records]];
  for (const together of shards)
    await Promise.all(together.map((shard) => consume(random, shard, chaos, largestBatch, one)));

  const result = opened.calm ?? opened.store;
  for (const key of new Set(events.map((event) => event.customer_key as CustomerKey))) {
    await checkCustomer(result, key, events);
  }
  assert.equal(kept.size, number % 7 === 0 ? 1 : 0);
};

export interface Schedules {
  /** How many to run, from number 0 on. */
  readonly schedules: number;
  /** The same seed and number give the same customers, events, deliveries and faults. */
  readonly seed: number;
  /** Schedules under way at once, for a store that answers from another process. */
  readonly sideBySide?: number;
}

/** Registers the schedules as one test on one store: each has customers of its own. */
export const runSchedules = (
  name: string,
  openStore: () => Promise<ScheduleStore>,
  { schedules, seed, sideBySide = 1 }: Schedules,
): void => {
  void describe(`score schedules: ${name}`, () => {
    void it(`keeps every customer exact over ${schedules} schedules`, async () => {
      logger.setLogLevel("SILENT"); // what goes wrong here is meant to
      const opened = await openStore();
      let next = 0;
      const differences: Error[] = [];
      const run = async (): Promise<void> => {
        while (next < schedules && differences.length === 0) {
          const number = next++;
          try {
            await runSchedule(opened, name, number, seed);
          } catch (error) {
            differences.push(new Error(`schedule ${number} of seed ${seed} failed`, { cause: error }));
          }
        }
      };
      await Promise.all(Array.from({ length: sideBySide }, run));
      await opened.close();
      if (differences.length > 0) throw differences[0]!;
    });
  });
};
