import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import fc from "fast-check";
import type { SourceType } from "../source-ports.ts";
import { attributeAt, cellOfAttribute } from "./dynamo-values.ts";
import { UnitBudget } from "./unit-budget.ts";

describe("attributes of DynamoDB", () => {
  it("a path goes through maps alone, and never to what every object has", () => {
    const item: Record<string, AttributeValue> = {
      customer: { M: { address: { M: { city: { S: "Graz" } } } } },
      list: { L: [{ S: "x" }] },
    };
    assert.deepEqual(attributeAt(item, ["customer", "address", "city"]), { S: "Graz" });
    for (const path of [
      ["customer", "city"],
      ["list", "0"],
      ["customer", "address", "city", "more"],
      ["constructor"],
      ["__proto__", "x"],
    ])
      assert.equal(attributeAt(item, path), undefined, path.join("."));
  });

  it("every kind of attribute has one text; equal sets and maps have equal ones", () => {
    const cases: [AttributeValue | undefined, SourceType, string | null][] = [
      [undefined, "string", null],
      [{ NULL: true }, "string", null],
      [{ S: "" }, "string", ""],
      [{ N: "12345678901234567890.12345678" }, "decimal(38,8)", "12345678901234567890.12345678"],
      [{ BOOL: false }, "boolean", "false"],
      [{ B: Uint8Array.of(0, 255) }, "string", "00ff"],
      [{ SS: ["b", "a"] }, "string", '["a","b"]'],
      [{ NS: ["2", "10.5"] }, "string", "[10.5,2]"],
      [{ BS: [Uint8Array.of(2), Uint8Array.of(1)] }, "string", '["01","02"]'],
      [{ M: { b: { N: "1" }, a: { L: [{ BOOL: true }, { NULL: true }] } } }, "string", '{"a":[true,null],"b":1}'],
      [{ L: [{ N: "12345678901234567890" }] }, "string", '["12345678901234567890"]'],
      [{ S: "2024-03-01T12:00:00.123456789+02:30" }, "timestamp", "2024-03-01 09:30:00.123456"],
      [{ S: "2024-03-01T00:30:00-01" }, "timestamp", "2024-03-01 01:30:00"],
      [{ S: "2024-03-01T12:00Z" }, "timestamp", "2024-03-01 12:00:00"],
      [{ S: "2024-03-01" }, "timestamp", "2024-03-01 00:00:00"],
      [{ S: "2024-03-01T23:30:00-01:00" }, "date", "2024-03-02"],
      [{ N: "1709294400" }, "timestamp", "2024-03-01 12:00:00"],
      [{ N: "1709294400.25" }, "timestamp", "2024-03-01 12:00:00.25"],
      [{ N: "1709294400250" }, "timestamp", "2024-03-01 12:00:00.25"],
      [{ N: "-0.5" }, "timestamp", "1969-12-31 23:59:59.5"],
      [{ N: "1709294400" }, "date", "2024-03-01"],
      [{ S: "yesterday" }, "timestamp", "yesterday"],
    ];
    for (const [value, type, expected] of cases)
      assert.equal(cellOfAttribute(value, type), expected, `${JSON.stringify(value)} as ${type}`);
  });

  it("an instant is the same by every way of writing it", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: Date.UTC(1974, 0, 1), max: Date.UTC(2100, 0, 1) }),
        fc.integer({ min: -720, max: 720 }),
        (ms, minutes) => {
          const offset = `${minutes < 0 ? "-" : "+"}${String(Math.trunc(Math.abs(minutes) / 60)).padStart(2, "0")}:${String(Math.abs(minutes) % 60).padStart(2, "0")}`;
          const local = new Date(ms + minutes * 60_000).toISOString().replace("Z", offset);
          const parse = (text: string | null): number => Date.parse(`${text!.replace(" ", "T")}Z`);
          for (const value of [
            { S: new Date(ms).toISOString() },
            { S: local },
            { N: String(ms) },
            { N: (ms / 1000).toFixed(3) },
          ])
            assert.equal(parse(cellOfAttribute(value, "timestamp")), ms, JSON.stringify(value));
        },
      ),
      { seed: 6, numRuns: 300 },
    );
  });
});

describe("a budget of read units", () => {
  it("in the long run no more is used than the rate, whatever a request takes", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ min: 0.5, max: 128, noNaN: true }), { minLength: 1, maxLength: 50 }),
        async (requests) => {
          let nowMs = 0;
          const budget = new UnitBudget(10, { now: () => nowMs, sleep: async (ms) => void (nowMs += ms) });
          let before = 0;
          for (const units of requests) {
            await budget.wait();
            assert.ok(before <= (10 * nowMs) / 1000 + 1e-6);
            budget.used(units);
            before += units;
          }
        },
      ),
      { seed: 6, numRuns: 100 },
    );
  });
});
