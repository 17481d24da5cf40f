import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import fc from "fast-check";
import { USER_RECORD_OVERHEAD_BYTES, aggregate, isAggregated, userRecords } from "./kpl.ts";

// The oracle: AWS's own Node implementation. Its type file wants the retired `aws-sdk`, hence the narrow view of it.
interface Oracle {
  deaggregateSync(
    record: { data: string; partitionKey: string; sequenceNumber: string },
    computeChecksums: boolean,
    done: (error: Error | undefined, records?: { partitionKey: string; data: string }[]) => void,
  ): void;
  RecordAggregator: new () => {
    addUserRecord(record: { partitionKey: string; data: Buffer; explicitHashKey?: string }): void;
    build(): { data: Buffer };
  };
}
const oracle = createRequire(import.meta.url)("aws-kinesis-agg") as Oracle;

const plain = (records: readonly { partitionKey: string; data: Uint8Array }[]) =>
  records.map(({ partitionKey, data }) => ({ partitionKey, data: Buffer.from(data).toString("base64") }));

const byOracle = (aggregated: Uint8Array) => {
  let answer: { partitionKey: string; data: string }[] = [];
  oracle.deaggregateSync(
    { data: Buffer.from(aggregated).toString("base64"), partitionKey: "outer", sequenceNumber: "1" },
    true,
    (error, records) => {
      if (error) throw error;
      answer = (records ?? []).map(({ partitionKey, data }) => ({ partitionKey, data }));
    },
  );
  return answer;
};

// The oracle keeps its key table in a plain object and orders whole-number keys first, so its keys here start with a letter.
const key = fc.string({ unit: "grapheme", maxLength: 40 }).map((text) => `k${text}`);
const records = fc.array(fc.record({ partitionKey: key, data: fc.uint8Array({ minLength: 1, maxLength: 400 }) }), {
  minLength: 1,
  maxLength: 60,
});
const settings = { seed: 20261121, numRuns: 300 };
const refused = (name: string, build: () => Uint8Array): void => {
  it(name, () => {
    assert.throws(() => userRecords(build()), SyntaxError);
  });
};

/** A frame with a right checksum around any protobuf bytes. */
const frame = (...body: number[]) =>
  Buffer.concat([
    Buffer.from([0xf3, 0x89, 0x9a, 0xc2]),
    Buffer.from(body),
    createHash("md5").update(Buffer.from(body)).digest(),
  ]);

describe("the aggregation format", () => {
  it("is read by AWS's own library as it was written", () => {
    fc.assert(
      fc.property(records, (input) => {
        assert.deepEqual(byOracle(aggregate(input)), plain(input));
      }),
      settings,
    );
  });

  it("reads what AWS's own library wrote, with explicit hash keys too", () => {
    fc.assert(
      fc.property(records, fc.boolean(), (input, hashed) => {
        const aggregator = new oracle.RecordAggregator();
        for (const { partitionKey, data } of input) {
          aggregator.addUserRecord({
            partitionKey,
            data: Buffer.from(data),
            ...(hashed ? { explicitHashKey: "170141183460469231731687303715884105728" } : {}),
          });
        }
        assert.deepEqual(plain(userRecords(aggregator.build().data)), plain(input));
      }),
      settings,
    );
  });

  it("gives back any records it was given, empty data and equal keys among them", () => {
    const any = fc.array(
      fc.record({
        partitionKey: fc.string({ unit: "grapheme", maxLength: 20 }),
        data: fc.uint8Array({ maxLength: 300 }),
      }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(any, (input) => {
        const bytes = aggregate(input);
        assert.ok(isAggregated(bytes));
        assert.deepEqual(plain(userRecords(bytes)), plain(input));
      }),
      settings,
    );
  });

  it("reads an aggregate that lies inside a larger buffer", () => {
    const inner = aggregate([{ partitionKey: "é", data: Buffer.from("x") }]);
    const outer = Buffer.concat([Buffer.alloc(13), inner, Buffer.alloc(7)]);
    assert.deepEqual(plain(userRecords(outer.subarray(13, 13 + inner.length))), [
      { partitionKey: "é", data: Buffer.from("x").toString("base64") },
    ]);
  });

  it("takes no more room a record than the stated overhead", () => {
    for (const bytes of [0, 1, 127, 128, 20_000, 900_000]) {
      const one = { partitionKey: `cus_${"a".repeat(32)}`, data: new Uint8Array(bytes) };
      const grown =
        aggregate([one, { ...one, partitionKey: `cus_${"b".repeat(32)}` }]).length - aggregate([one]).length;
      assert.ok(grown - bytes - one.partitionKey.length <= USER_RECORD_OVERHEAD_BYTES, `${bytes} bytes took ${grown}`);
    }
  });

  it("never takes JSON for an aggregate", () => {
    assert.equal(isAggregated(Buffer.from(JSON.stringify({ kind: "order_completed", source: "web-shop" }))), false);
    assert.equal(isAggregated(new Uint8Array()), false);
    assert.equal(isAggregated(Buffer.from([0xf3, 0x89, 0x9a, 0xc2])), false);
  });

  it("notices any flipped bit behind the magic number", () => {
    const good = aggregate([{ partitionKey: "cus_1", data: Buffer.from('{"a":1}') }]);
    for (let bit = 32; bit < good.length * 8; bit++) {
      const bad = Uint8Array.from(good);
      bad[bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(() => userRecords(bad), SyntaxError);
    }
  });

  it("passes over fields it does not know", () => {
    // key "a"; field 9 varint, field 10 fixed64, field 11 fixed32, field 12 bytes; record with tag (field 4)
    const skipped = [0x48, 0x96, 0x01, 0x51, 1, 2, 3, 4, 5, 6, 7, 8, 0x5d, 1, 2, 3, 4, 0x62, 2, 0xff, 0xff];
    const record = [0x1a, 8, 0x08, 0, 0x1a, 1, 0x7a, 0x22, 1, 0x00];
    assert.deepEqual(plain(userRecords(frame(0x0a, 1, 0x61, ...skipped, ...record.with(1, record.length - 2)))), [
      { partitionKey: "a", data: Buffer.from("z").toString("base64") },
    ]);
  });

  it("reads a key table that comes after the records", () => {
    assert.equal(userRecords(frame(0x1a, 5, 0x08, 0, 0x1a, 1, 0x7a, 0x0a, 1, 0x61))[0]?.partitionKey, "a");
  });

  describe("is refused", () => {
    refused("when it is plain JSON", () => Buffer.from('{"kind":"track","source":"web"}'));
    refused("when a record names a missing key", () => frame(0x1a, 5, 0x08, 0, 0x1a, 1, 0x7a));
    refused("when a record lacks its data", () => frame(0x0a, 1, 0x61, 0x1a, 2, 0x08, 0));
    refused("when a record lacks its key", () => frame(0x0a, 1, 0x61, 0x1a, 3, 0x1a, 1, 0x7a));
    refused("when a field is longer than the message", () => frame(0x0a, 100, 0x61));
    refused("when a number does not end", () => frame(0x0a, 0xff));
    refused("when a number is beyond 2^53", () => frame(0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f));
    refused("when a fixed field is cut", () => frame(0x51, 1, 2));
    refused("when a wire type is unknown", () => frame(0x0b));
  });
});
