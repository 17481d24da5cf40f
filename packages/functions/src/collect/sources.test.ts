import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SourcesInvalid, parseSources } from "./sources.ts";
import { holds } from "./sources/roles.ts";

const db = {
  kind: "postgres",
  host: "db.example.com",
  database: "shop",
  user: "ebb_reader",
  password: { secret: "SHOP" },
};
const orders = {
  name: "orders",
  connection: "db",
  maps: "orders",
  table: "public.orders",
  key: ["id"],
  mode: "incremental",
  watermark: { field: "updated_at" },
  deletion: "keys",
  fields: { order_id: "id", occurred_at: "placed_at", total: "total" },
};
const faults = (changes: object, connection: object = {}): string => {
  try {
    parseSources({ connections: { db: { ...db, ...connection } }, sources: [{ ...orders, ...changes }] });
  } catch (error) {
    assert.ok(error instanceof SourcesInvalid);
    return error.message;
  }
  return "";
};

describe("declared sources", () => {
  it("a declaration is read with its durations in seconds", () => {
    const [source] = parseSources({ connections: { db }, sources: [{ ...orders, schedule: { every: "15m" } }] });
    assert.equal(source?.kind, "relational");
    assert.deepEqual(source.spec.schedule, { every: 900 });
    assert.deepEqual(source.kind === "relational" && source.spec.watermark, { field: "updated_at", overlap: 600 });
  });

  it("a password stands nowhere, TLS is off for localhost alone", () => {
    assert.match(faults({}, { password: "hunter2" }), /password/);
    assert.match(faults({}, { tls: "off" }), /off only for localhost/);
    assert.equal(faults({}, { tls: "off", host: "127.0.0.1" }), "");
  });

  it("all faults are told at once, by source", () => {
    const told = faults({
      fields: { order_id: "id", price: "total" },
      watermark: undefined,
      personal: ["id"],
      deletion: undefined,
    });
    for (const part of [
      "fields.price is no role of orders",
      "fields.occurred_at is needed",
      "needs a watermark",
      "personal field id",
      "how deletions show",
    ])
      assert.ok(told.includes(part), `${part} in ${told}`);
    assert.ok(told.split("\n").every((line) => line.startsWith('source "orders": ')));
  });

  it("names that are no plain identifiers are refused", () => {
    assert.match(faults({ table: "orders; DROP TABLE x" }), /is a table, or schema\.table/);
    assert.match(faults({ key: ['id" OR 1=1'] }), /plain field name/);
  });

  it("values that no calendar has are known", () => {
    const times = [
      "2024-02-29 00:00:00",
      "2024-02-30 00:00:00",
      "0000-00-00 00:00:00",
      "2024-00-10 00:00:00",
      "infinity",
      "2024-01-01 00:00:00.123456",
      "0044-03-15 00:00:00 BC",
    ];
    assert.deepEqual(
      times.map((text) => holds("timestamp", text)),
      [true, false, false, false, false, true, false],
    );
    assert.deepEqual(
      ["12.50", "-1", "NaN", "-Infinity"].map((text) => holds("decimal(12,2)", text)),
      [true, true, false, false],
    );
  });
});
