import assert from "node:assert/strict";
import test from "node:test";
import { StreamEvent } from "@ebb/core/stream-event";
import type { DuckDBConnection } from "@duckdb/node-api";
import fc from "fast-check";
import { rowsOf } from "../testing.ts";
import { identityChanges, identityKeys, identityLinks } from "./identity.ts";
import { plainIdentity } from "./plain-identity.ts";
import { brokenPromises, curatedLakeOf, write } from "./testing.ts";

const seed = 20_261_122;
const tables = [identityLinks, identityKeys, identityChanges];

const lakeWith = async (events: readonly StreamEvent[]): Promise<DuckDBConnection> => {
  const lake = await curatedLakeOf(events);
  for (const table of tables) await write(lake, table, {});
  return lake;
};
const ownersIn = async (lake: DuckDBConnection): Promise<Map<string, string>> =>
  new Map(
    (await rowsOf(lake, "SELECT key, person_key FROM identity_keys ORDER BY key")).map((row) => [
      String(row["key"]),
      String(row["person_key"]),
    ]),
  );

const maybe = (...values: readonly string[]) => fc.option(fc.constantFrom(...values), { nil: undefined, freq: 2 });
const kinds = fc.constantFrom(
  "identify",
  "identify",
  "page",
  "social_mentioned",
  "order_completed",
  "identity_unlinked",
);
const call = fc
  .record({
    kind: kinds,
    minute: fc.integer({ min: 0, max: 40 }),
    customer_key: maybe("cus_1", "cus_2", "cus_3"),
    email_key: maybe("eml_1", "eml_2"),
    author_key: maybe("aut_1", "aut_2"),
    anonymous_key: maybe("ano_1", "ano_2", "ano_3", "ano_4"),
    unlinked_key: fc.constantFrom("eml_1", "aut_1", "ano_1", "ano_2"),
  })
  .map(({ kind, minute, email_key, author_key, anonymous_key, unlinked_key, customer_key }) => {
    const fields = {
      customer_key,
      ...(kind === "identity_unlinked"
        ? { unlinked_key }
        : {
            anonymous_key,
            ...(kind === "identify" && { email_key }),
            ...(["identify", "social_mentioned"].includes(kind) && { author_key }),
          }),
    };
    return { kind, minute, ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) };
  });
const history = fc.array(call, { minLength: 8, maxLength: 40 }).map((calls) =>
  calls.map(({ minute, ...fields }, index) =>
    StreamEvent.parse({
      event_id: `evt_${index}`,
      name: fields.kind,
      source: index % 3 === 0 ? "app" : "shop",
      schema_version: 1,
      occurred_at: new Date(Date.UTC(2025, 2, 1) + minute * 60_000).toISOString(),
      received_at: "2026-01-01T00:00:00.000Z",
      receipt_id: "rcp_1",
      receipt_number: index,
      ...fields,
    }),
  ),
);

test("every key has the owner that a union-find over the history gives it, shuffled and twice as well", async () => {
  let merged = 0;
  await fc.assert(
    fc.asyncProperty(history, fc.integer({ min: 1, max: 36 }), async (events, stride) => {
      const expected = plainIdentity(events);
      merged += [...expected].filter(([key, person]) => key !== person).length;
      const lake = await lakeWith(events);
      assert.deepEqual(await ownersIn(lake), new Map([...expected].sort(([a], [b]) => (a < b ? -1 : 1))));
      for (const table of tables) assert.deepEqual(await brokenPromises(lake, table), []);

      const again = events.map((event, index) => events[(index * 37 + stride) % events.length] ?? event);
      const shuffled = await lakeWith(
        [...again, ...events].map((event, index) => ({
          ...event,
          receipt_id: `rcp_${index}`,
          received_at: new Date(Date.UTC(2026, 0, 1) + (index % 7) * 1_000).toISOString(),
        })),
      );
      assert.deepEqual(await ownersIn(shuffled), await ownersIn(lake));
      for (const one of [lake, shuffled]) one.closeSync();
    }),
    { seed, numRuns: 8 },
  );
  assert.ok(merged > 30, String(merged));
});

test("a device that two customers used is the latest one's, and is told as a conflict", async () => {
  const page = (id: string, at: string, fields: object) =>
    StreamEvent.parse({
      ...{ event_id: id, kind: "page", name: "page", source: "shop", schema_version: 1, receipt_number: 0 },
      ...{ occurred_at: at, received_at: "2026-01-01T00:00:00.000Z", receipt_id: "rcp_1", ...fields },
    });
  const lake = await lakeWith([
    page("a", "2025-01-01T00:00:00.000Z", { anonymous_key: "ano_1", customer_key: "cus_1" }),
    page("b", "2025-01-03T00:00:00.000Z", { anonymous_key: "ano_1", customer_key: "cus_2" }),
    page("c", "2025-01-02T00:00:00.000Z", { anonymous_key: "ano_1", customer_key: "cus_1" }),
    page("d", "2025-01-02T00:00:00.000Z", { anonymous_key: "ano_2", customer_key: "cus_1" }),
    page("e", "2025-01-04T00:00:00.000Z", { anonymous_key: "ano_3" }),
  ]);
  assert.deepEqual(await rowsOf(lake, "SELECT key, customer_key, customers FROM identity_keys ORDER BY key"), [
    { key: "ano_1", customer_key: "cus_2", customers: 2 },
    { key: "ano_2", customer_key: "cus_1", customers: 1 },
  ]);
  assert.deepEqual(
    await rowsOf(
      lake,
      `SELECT change, key, customer_key, CAST(occurred_at AS date)::VARCHAR AS day FROM identity_changes
       WHERE key IN (SELECT key FROM identity_keys WHERE customers > 1) ORDER BY occurred_at`,
    ),
    [
      { change: "merged", key: "ano_1", customer_key: "cus_1", day: "2025-01-01" },
      { change: "merged", key: "ano_1", customer_key: "cus_2", day: "2025-01-03" },
    ],
  );
});
