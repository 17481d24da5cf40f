import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { IdSet } from "./id-set.ts";

/** Ids that collide often: few distinct first words, so that probing and the tie of `sorted` are reached. */
const id = fc.tuple(fc.nat(3), fc.nat(2), fc.nat(2), fc.nat(200)).map((words) => Uint32Array.from(words));
const hex = (words: Uint32Array) => Buffer.from(words.buffer).toString("hex");

describe("a set of ids", () => {
  it("agrees with a set of strings on every answer, over growth and clearing", () => {
    fc.assert(
      fc.property(fc.array(id, { maxLength: 400 }), fc.array(id, { maxLength: 50 }), (ids, probes) => {
        const set = new IdSet(8);
        const model = new Set<string>();
        for (let round = 0; round < 2; round++) {
          for (const words of ids) {
            assert.equal(set.add(words, 0), !model.has(hex(words)));
            model.add(hex(words));
          }
          assert.equal(set.size, model.size);
          for (const words of probes) assert.equal(set.has(words, 0), model.has(hex(words)));
          const copy = new IdSet(8);
          copy.addAll(set);
          const sorted = copy.sorted().toString("hex").match(/.{32}/g) ?? [];
          assert.deepEqual([...sorted].sort(), [...model].sort());
          const heads = sorted.map((digits) => digits.slice(0, 8));
          assert.deepEqual(heads, heads.toSorted());
          set.clear();
          model.clear();
        }
      }),
      { seed: 20261121, numRuns: 200 },
    );
  });
});
