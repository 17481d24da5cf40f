import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SourcesInvalid, parseSources } from "./sources.ts";
import { dynamoLoad, typesOf } from "./sources/dynamo.ts";
import { holds, isOfType } from "./sources/roles.ts";
import { shapeOf } from "./sources/shape.ts";

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

  it("what tells rows apart is in the lake: it cannot be personal", () => {
    for (const [changes, field] of [
      [{ key: ["email"], personal: ["email"] }, "email"],
      [{ personal: ["updated_at"] }, "updated_at"],
    ] as const)
      assert.match(faults(changes), new RegExp(`personal field ${field} is also to be kept`));
  });

  it("names that are no plain identifiers are refused", () => {
    assert.match(faults({ table: "orders; DROP TABLE x" }), /is a table, or schema\.table/);
    assert.match(faults({ key: ['id" OR 1=1'] }), /plain field name/);
  });

  it("a table of documents: paths, types of what is read alone, no speed that reads everything again", () => {
    const read = { scan: { units_per_second: 50 } };
    const declared = (changes: object) => {
      const [source] = parseSources({
        connections: { shop: { kind: "dynamodb", region: "eu-central-1" } },
        sources: [
          {
            name: "orders",
            connection: "shop",
            maps: "orders",
            table: "shop-orders",
            key: ["order_id"],
            fields: { order_id: "order_id", customer_id: "customer.id", occurred_at: "placed.at" },
            lines: { list: "items", fields: { product_id: "sku", quantity: "qty" } },
            types: { "items.qty": "int" },
            read,
            ...changes,
          },
        ],
      });
      assert.ok(source?.kind === "dynamodb");
      return source.spec;
    };
    const spec = dynamoLoad(declared({}));
    assert.deepEqual(
      [spec.mode, spec.lines?.key, typesOf(declared({}))["placed.at"]],
      ["snapshot", ["#"], "timestamp"],
    );
    assert.throws(() => declared({ types: { qty: "int" } }), /types\.qty is of no field that is read/);
    assert.throws(() => declared({ fields: { order_id: "a[0]" } }), /is not a path/);
    // A map that is kept whole is JSON in the lake, with all that is within.
    for (const [keep, personal] of [
      [["customer"], ["customer.email"]],
      [["customer.email"], ["customer"]],
      [["items"], ["items.gift_note"]],
      [[], ["items.sku"]],
      [[], ["order_id"]],
    ])
      assert.throws(() => declared({ keep, personal }), /personal field .* is also to be kept in the lake/);
    assert.deepEqual(declared({ keep: ["customer.email_domain"], personal: ["customer.email"] }).personal, [
      "customer.email",
    ]);
    const of = (units: number, segments: number) =>
      shapeOf(dynamoLoad(declared({ read: { scan: { units_per_second: units, segments } } }))).digest;
    assert.equal(of(50, 4), of(500, 4));
    assert.notEqual(of(50, 4), of(50, 8), "positions are by segment");
  });

  it("text that no database vouches for is of a type when no digit of it gets lost", () => {
    const cases: [Parameters<typeof isOfType>[0], string, boolean][] = [
      ["decimal(5,2)", "123.45", true],
      ["decimal(5,2)", "-123.450", true],
      ["decimal(5,2)", "1234", false],
      ["decimal(5,2)", "1.005", false],
      ["decimal(5,2)", "12abc", false],
      ["decimal(5,2)", "", false],
      ["decimal(2,2)", "0.25", true],
      ["int", "2147483647", true],
      ["int", "2147483648", false],
      ["bigint", "-9223372036854775808", true],
      ["bigint", "9223372036854775808", false],
      ["int", "1.0", false],
      ["boolean", "true", true],
      ["boolean", "yes", false],
      ["double", "1e-3", true],
      ["double", "Infinity", false],
      ["double", "", false],
      ["string", "anything", true],
      ["date", "2024-02-30", false],
    ];
    for (const [type, text, expected] of cases) assert.equal(isOfType(type, text), expected, `${type} ${text}`);
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
