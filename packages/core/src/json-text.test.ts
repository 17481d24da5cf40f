import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { listElements, nestsDeeperThan } from "./json-text.ts";

/** Depth of a parsed value, the slow and obvious way. */
const depthOf = (value: unknown): number =>
  typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;

const nasty = fc.oneof(
  fc.constantFrom("[", "]", "{", "}", '"', "\\", "\\\\", '\\"', "]]]", "{{{", " ", ","),
  fc.string(),
);
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 6 },
    nasty,
    fc.integer(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(nasty, tie("value"), { maxKeys: 4 }),
  ),
})).value;

test("a document that is not too deep is never taken for one, whatever its strings hold", () => {
  fc.assert(
    fc.property(json, fc.integer({ min: 0, max: 8 }), fc.constantFrom(0, 1), (value, limit, indent) => {
      if (depthOf(value) <= limit) assert.equal(nestsDeeperThan(JSON.stringify(value, null, indent), limit), false);
    }),
    { seed: 3, numRuns: 3_000 },
  );
});

test("nesting of lists, of objects and of both is found, also where it never closes", () => {
  for (const [open, close] of [
    ["[", "]"],
    ['{"a":', "}"],
    ['[{"a":', "}]"],
    ["[[],", "]"],
    ["[", ""],
  ] as const) {
    assert.equal(nestsDeeperThan(open.repeat(1_001) + "1" + close.repeat(1_001), 1_000), true, open);
    assert.equal(nestsDeeperThan(open.repeat(400) + "1" + close.repeat(400), 1_000), false, open);
  }
});

test("the elements of a list lie where their own JSON stands, byte for byte", () => {
  fc.assert(
    fc.property(
      fc.array(json, { maxLength: 6 }),
      fc.dictionary(nasty, json, { maxKeys: 3 }),
      fc.constantFrom(0, 2),
      (list, others, indent) => {
        const text = JSON.stringify({ ...others, batch: list }, null, indent);
        const slices = listElements(text, "batch").map(([start, end]) => text.slice(start, end));
        assert.equal(slices.length, list.length);
        assert.deepEqual(
          slices.map((slice) => JSON.parse(slice) as unknown),
          (JSON.parse(text) as { batch: unknown[] }).batch,
        );
        if (indent === 0)
          assert.deepEqual(
            slices,
            list.map((item) => JSON.stringify(item)),
          );
      },
    ),
    { seed: 4, numRuns: 2_000 },
  );
});

test("of members of one name the last counts, as it does for JSON.parse; a list may stand alone", () => {
  const text = ' {"batch":[1], "\\u0062atch" : [ {"a": 1 } , 2.50 ] }';
  assert.deepEqual(
    listElements(text, "batch").map(([start, end]) => text.slice(start, end)),
    ['{"a": 1 }', "2.50"],
  );
  assert.deepEqual(listElements("[1, [2]]", "batch"), [
    [1, 2],
    [4, 7],
  ]);
  assert.deepEqual(listElements('{"batch":[1],"batch":3}', "batch"), []);
});
