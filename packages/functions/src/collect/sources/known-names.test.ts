import assert from "node:assert/strict";
import test from "node:test";
import { Pseudonymizer } from "@ebb/core/ids";
import fc from "fast-check";
import { KnownNames } from "./known-names.ts";

const pseudonyms = new Pseudonymizer("a secret of thirty-two characters");
const CAPACITY = 4;
/** Ids of the same bytes in another order, and more of them than two generations hold. */
const ids = ["1", "2", "12", "21", "é", "ée", "x".repeat(27), "y".repeat(27), "a", "b", "c", "d", "e", "f"];

test("what is known of an id is its own name, and the ids that were met last are known", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...ids), { maxLength: 200 }), (met) => {
      const known = new KnownNames(CAPACITY);
      const out = Buffer.alloc(40);
      for (const [index, id] of met.entries()) {
        const bytes = Buffer.from(`(${id})`);
        const length = known.copy(bytes, 1, bytes.length - 1, out, 2);
        const lastMet = met.lastIndexOf(id, index - 1);
        const since = index === 0 || lastMet < 0 ? undefined : new Set(met.slice(lastMet + 1, index)).size;
        if (length > 0) assert.equal(out.toString("latin1", 2, 2 + length), pseudonyms.customer(id));
        if (since === undefined) assert.equal(length, 0, "never met before");
        else if (since < CAPACITY) assert.equal(length, 36, `${since} others were met since`);
        known.keep(bytes, 1, bytes.length - 1, pseudonyms.customer(id));
      }
    }),
    { seed: 20_261_122, numRuns: 300 },
  );
});

test("a long id, none, and the name of nobody are not kept", () => {
  const known = new KnownNames(CAPACITY);
  const out = Buffer.alloc(40);
  for (const [id, name] of [
    ["z".repeat(28), pseudonyms.customer("z")],
    ["", pseudonyms.customer("z")],
    ["z", "\\N"],
  ] as const) {
    const bytes = Buffer.from(id);
    known.keep(bytes, 0, bytes.length, name);
    assert.equal(known.copy(bytes, 0, bytes.length, out, 0), 0);
  }
});
