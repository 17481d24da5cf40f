import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { userRecords } from "@ebb/core/kpl";
import { limits } from "@ebb/core/limits";
import type { EncodedEvent } from "../ports.ts";
import { packed } from "./event-log.ts";

const event = (partitionKey: string, json: string): EncodedEvent => ({ eventId: `evt_${json}`, partitionKey, json });
const unpacked = (entries: ReturnType<typeof packed>) =>
  entries.map((entry) =>
    userRecords(entry.Data!).map(({ partitionKey, data }) => ({ partitionKey, json: Buffer.from(data).toString() })),
  );

describe("packing events in stream records", () => {
  it("loses, doubles and reorders nothing within a partition key", () => {
    const events = fc.array(fc.tuple(fc.integer({ min: 0, max: 300 }), fc.string({ unit: "grapheme" })), {
      maxLength: 1_500,
    });
    fc.assert(
      fc.property(events, fc.integer({ min: 1, max: 64 }), (drawn, buckets) => {
        const input = drawn.map(([key, text], index) => event(`cus_${key}`, `${index} ${text}`));
        const out = unpacked(packed(input, buckets)).flat();
        const byKey = (list: readonly { partitionKey: string; json: string }[]) =>
          Object.fromEntries(
            [...Map.groupBy(list, (one) => one.partitionKey)].map(([key, own]) => [key, own.map((one) => one.json)]),
          );
        assert.deepEqual(byKey(out), byKey(input));
        assert.equal(out.length, input.length);
      }),
      { seed: 64, numRuns: 60 },
    );
  });

  it("puts a partition key always into one bucket, and no bucket under two hash keys", () => {
    const input = Array.from({ length: 5_000 }, (_, index) => event(`cus_${index % 700}`, "{}"));
    const entries = packed(input, 64);
    const bucketOf = new Map<string, string>();
    for (const [index, records] of unpacked(entries).entries()) {
      for (const { partitionKey } of records) {
        const bucket = bucketOf.get(partitionKey) ?? entries[index]!.PartitionKey!;
        assert.equal(entries[index]!.PartitionKey, bucket);
        bucketOf.set(partitionKey, bucket);
      }
    }
    const pairs = new Set(entries.map((entry) => `${entry.PartitionKey} ${entry.ExplicitHashKey}`));
    assert.equal(pairs.size, new Set(entries.map((entry) => entry.PartitionKey)).size);
  });

  it("spreads customers over the buckets, and the buckets over the hash range", () => {
    const input = Array.from({ length: 64_000 }, (_, index) =>
      event(`cus_${index.toString(16).padStart(32, "0")}`, "{}"),
    );
    const entries = packed(input, 64);
    const sizes = new Map<string, number>();
    unpacked(entries).forEach((records, index) => {
      const bucket = entries[index]!.PartitionKey!;
      sizes.set(bucket, (sizes.get(bucket) ?? 0) + records.length);
    });
    assert.equal(sizes.size, 64);
    for (const [bucket, size] of sizes) assert.ok(size > 700 && size < 1_300, `${bucket} has ${size} of 64,000`);
    const eighths = Map.groupBy(new Set(entries.map((entry) => entry.ExplicitHashKey!)), (key) => BigInt(key) >> 125n);
    assert.deepEqual(
      [...eighths.values()].map((keys) => keys.length),
      Array.from({ length: 8 }, () => 8),
    );
  });

  it("closes a record at 500 events", () => {
    const sizes = unpacked(
      packed(
        Array.from({ length: 1_203 }, () => event("cus_1", "{}")),
        64,
      ),
    ).map((one) => one.length);
    assert.deepEqual(sizes, [500, 500, 203]);
  });

  it("keeps a record under 1 MiB, also one event of the largest size beside others", () => {
    const sizes = [10, limits.eventBytes, 10, 450_000, 449_000, 450_000, 100_000];
    const entries = packed(
      sizes.map((size) => event("cus_1", "x".repeat(size))),
      64,
    );
    for (const entry of entries) assert.ok(entry.Data!.length <= 1_048_576, `${entry.Data!.length} bytes`);
    assert.deepEqual(
      unpacked(entries)
        .flat()
        .map((one) => one.json.length),
      sizes,
    );
  });
});
