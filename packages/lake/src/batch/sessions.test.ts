import assert from "node:assert/strict";
import test from "node:test";
import { StreamEvent } from "@ebb/core/stream-event";
import type { DuckDBConnection } from "@duckdb/node-api";
import fc from "fast-check";
import { duckdb } from "../dialect.ts";
import { rowsOf } from "../testing.ts";
import { botDays, botRules } from "./bot-days.ts";
import { touchedDays } from "./curated.ts";
import { monthlyTables } from "./monthly-tables.ts";
import { plainSessions } from "./plain-sessions.ts";
import { sessions } from "./sessions.ts";
import { brokenPromises, curatedLakeOf, landMore, monthsOf, write } from "./testing.ts";

const seed = 20_261_122;
const event = (id: string, atMs: number, fields: Partial<StreamEvent>): StreamEvent =>
  StreamEvent.parse({
    event_id: id,
    kind: "page",
    name: "page",
    source: "shop",
    schema_version: 1,
    occurred_at: new Date(atMs).toISOString(),
    received_at: "2026-01-01T00:00:00.000Z",
    receipt_id: "rcp_1",
    receipt_number: 0,
    ...fields,
  });

const columns =
  "source, anonymous_key, customer_key, strftime(started_at, '%Y-%m-%dT%H:%M:%S.%gZ') AS started_at, " +
  "strftime(ended_at, '%Y-%m-%dT%H:%M:%S.%gZ') AS ended_at, events, page_views, product_views, landing_path, exit_path, campaign";
const sessionsIn = (lake: DuckDBConnection) =>
  rowsOf(lake, `SELECT ${columns} FROM sessions ORDER BY source, coalesce(anonymous_key, customer_key), started_at`);

const lakeWith = async (events: readonly StreamEvent[]): Promise<DuckDBConnection> => {
  const lake = await curatedLakeOf(events);
  for (const table of [botDays, sessions]) await write(lake, table, {});
  return lake;
};

/** Minutes around the turn of a day and of a month, with pauses of exactly, just under and just over half an hour. */
const steps = fc.constantFrom(0, 1, 60_000, 1_799_999, 1_800_000, 1_800_001, 7_200_000, 86_400_000);
const starts = fc.constantFrom(
  "2024-02-29T23:10:00.000Z",
  "2024-03-15T23:30:00.000Z",
  "2024-12-31T23:45:00.000Z",
  "2024-10-27T00:30:00.000Z",
);
const maybe = <T>(values: readonly T[]) => fc.option(fc.constantFrom(...values), { nil: undefined });
const visit = fc.record({
  source: fc.constantFrom("shop", "shop", "app"),
  anonymous_key: maybe(["ano_1", "ano_2"]),
  customer_key: maybe(["cus_1", "cus_2"]),
  kind: fc.constantFrom("page", "product_viewed", "track", "order_completed", "identify"),
  page_path: maybe(["/", "/tea", "/cart"]),
  campaign: maybe(['{"name":"a"}', '{"name":"b"}']),
});
const history = fc
  .tuple(starts, fc.array(fc.tuple(steps, visit), { minLength: 20, maxLength: 60 }), fc.integer({ min: 0, max: 99 }))
  .map(([start, drawn, twist]) => {
    let atMs = Date.parse(start);
    const events = drawn.map(([step, fields], index) => {
      const present = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
      return event(`evt_${(index * 7 + twist) % 100}_${index}`, (atMs += step), present);
    });
    // Out of order, and every third twice.
    return events
      .flatMap((one, index) =>
        index % 3 === 0 ? [one, { ...one, received_at: "2026-02-01T00:00:00.000Z", receipt_id: "rcp_2" }] : [one],
      )
      .sort((a, b) => a.event_id.localeCompare(b.event_id));
  });

test("sessions are those of a loop over each visitor's events, in any order of arrival and however often", async () => {
  let found = 0;
  await fc.assert(
    fc.asyncProperty(history, async (events) => {
      const lake = await lakeWith(events);
      const expected = plainSessions(events);
      found += expected.length;
      assert.deepEqual(await sessionsIn(lake), expected);
      assert.deepEqual(await brokenPromises(lake, sessions), []);
      lake.closeSync();
    }),
    { seed, numRuns: 20 },
  );
  assert.ok(found > 200, String(found));
});

test("late events change the sessions of their own months alone, and to what a whole run makes of them", async () => {
  await fc.assert(
    fc.asyncProperty(history, fc.integer({ min: 2, max: 5 }), async (events, part) => {
      const lake = await lakeWith(events.filter((_, index) => index % part !== 0));
      await landMore(
        lake,
        events.filter((_, index) => index % part === 0),
        "2026-06-01",
      );
      const months = await monthsOf(lake, touchedDays(duckdb, "2026-06-01"));
      for (const table of monthlyTables) await write(lake, table, { months });
      assert.deepEqual(await sessionsIn(lake), plainSessions(events));
      lake.closeSync();
    }),
    { seed, numRuns: 6 },
  );
});

test("midnight and another campaign end no session, the turn of a month and half an hour do", async () => {
  const at = (text: string) => Date.parse(`2024-03-${text}Z`);
  const of = (id: string, text: string, fields: Partial<StreamEvent> = {}) =>
    event(id, at(text), { anonymous_key: "ano_1", ...fields });
  const lake = await lakeWith([
    of("a", "15T23:50:00.000", { campaign: '{"name":"spring"}', page_path: "/" }),
    of("b", "16T00:10:00.000", { campaign: '{"name":"summer"}', page_path: "/tea" }),
    of("c", "16T00:39:59.999"),
    of("d", "16T01:09:59.999"),
    of("e", "31T23:59:00.000"),
    event("f", Date.parse("2024-04-01T00:01:00.000Z"), { anonymous_key: "ano_1" }),
  ]);
  assert.deepEqual(
    (
      await rowsOf(
        lake,
        "SELECT events, duration_seconds, campaign, landing_path, exit_path FROM sessions ORDER BY started_at",
      )
    ).map((row) => Object.values(row)),
    [
      [3, 2_999, '{"name":"spring"}', "/", "/tea"],
      [1, 0, null, null, null],
      [1, 0, null, null, null],
      [1, 0, null, null, null],
    ],
  );
});

test("machines are set apart with every reason that holds, and people who browse a lot are not", async () => {
  const start = Date.parse("2024-05-06T00:00:00.000Z");
  const many = (who: string, count: number, everyMs: number, fields: Partial<StreamEvent> = {}) =>
    Array.from({ length: count }, (_, n) =>
      event(`evt_${who}_${n}`, start + n * everyMs, { anonymous_key: `ano_${who}`, ...fields }),
    );
  const lake = await lakeWith([
    ...many("says_so", 2, 60_000).map((one, index) => (index === 0 ? { ...one, bot: "user_agent" } : one)),
    ...many("fast", botRules.rateFromEvents, 1_000),
    ...many("tireless", 24 * 6, 600_000),
    ...many("huge", botRules.eventsPerDay + 1, 2_100),
    ...many("keen", 299, 1_000), // five minutes of fast clicks
    ...many("patient", 19 * 6, 600_000),
    ...many("server", 2, 1_000, { anonymous_key: undefined, customer_key: "cus_server", bot: "user_agent" }),
  ]);
  const rows = await rowsOf(
    lake,
    `SELECT coalesce(anonymous_key, customer_key) AS who, by_agent, by_rate, by_hours, by_volume, reason, day
     FROM bot_days ORDER BY who`,
  );
  assert.deepEqual(
    rows.map((row) => Object.values(row).slice(0, 6)),
    [
      ["ano_fast", false, true, false, false, "rate"],
      ["ano_huge", false, false, false, true, "volume"],
      ["ano_says_so", true, false, false, false, "agent"],
      ["ano_tireless", false, false, true, false, "hours"],
      ["cus_server", true, false, false, false, "agent"],
    ],
  );
  assert.deepEqual(
    await rowsOf(lake, "SELECT DISTINCT anonymous_key AS who FROM sessions WHERE bot_reason IS NULL ORDER BY who"),
    [{ who: "ano_keen" }, { who: "ano_patient" }],
  );
  assert.deepEqual(await brokenPromises(lake, botDays), []);
});
