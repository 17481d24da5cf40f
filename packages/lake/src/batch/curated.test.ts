import assert from "node:assert/strict";
import test from "node:test";
import type { StreamEvent } from "@ebb/core/stream-event";
import { duckdb } from "../dialect.ts";
import { rowsOf } from "../testing.ts";
import { views } from "../views.ts";
import { curatedEventTables, curatedOrderEvents, curatedTables, erasedDays, touchedDays } from "./curated.ts";
import { makeHistory } from "./history.ts";
import { brokenPromises, curatedLakeOf, landMore, monthsOf, write } from "./testing.ts";

const landed = (events: readonly StreamEvent[]): StreamEvent[] =>
  // Every third event arrives again later, every fifth the very same row twice; the table is in reverse order.
  events
    .flatMap((event, index) => [
      event,
      ...(index % 3 === 0 ? [{ ...event, received_at: "2027-01-01T00:00:00.000Z", receipt_id: "rcp_again" }] : []),
      ...(index % 5 === 0 ? [event] : []),
    ])
    .reverse();

test("the views over the curated tables have the rows of the views over raw events", async () => {
  const lake = await curatedLakeOf(landed(makeHistory({ seed: 1, customers: 60 })));
  for (const view of views) {
    await lake.run(`CREATE TABLE from_raw_${view.name} AS SELECT * FROM ${view.name}`);
    await lake.run(`CREATE OR REPLACE VIEW ${view.name} AS ${view.sql(duckdb, curatedEventTables)}`);
  }
  for (const { name } of views) {
    const [counted] = await rowsOf(lake, `SELECT count(*) AS rows FROM from_raw_${name}`);
    assert.ok(Number(counted!["rows"]) > 0, name);
    // A receipt may be told twice: which of its two identical rows stands is the same to everybody.
    for (const [a, b] of [
      [name, `from_raw_${name}`],
      [`from_raw_${name}`, name],
    ] as const)
      assert.deepEqual(await rowsOf(lake, `SELECT * FROM ${a} EXCEPT ALL SELECT * FROM ${b}`), [], `${a} is not ${b}`);
  }
});

test("curated tables hold every distinct event once, in its month, and no erased customer", async () => {
  const events = makeHistory({ seed: 2, customers: 40 });
  const erased = [...new Set(events.flatMap(({ customer_key: key }) => key ?? []))].slice(0, 5);
  const lake = await curatedLakeOf(landed(events), erased);
  const kept = events.filter(({ customer_key: key }) => key === undefined || !erased.includes(key));
  const rows = await rowsOf(
    lake,
    curatedTables.map(({ name }) => `SELECT event_id, month, occurred_at FROM ${name}`).join(" UNION ALL "),
  );
  assert.deepEqual(rows.map((row) => row["event_id"]).sort(), kept.map((event) => event.event_id).sort());
  for (const row of rows) assert.equal(row["month"], String(row["occurred_at"]).slice(0, 7));
  for (const table of curatedTables) assert.deepEqual(await brokenPromises(lake, table), []);
});

test("writing the months that new events touch gives what writing everything gives", async () => {
  const all = landed(makeHistory({ seed: 3, customers: 40 }));
  const early = all.filter((_, index) => index % 4 !== 0);
  const late = all.filter((_, index) => index % 4 === 0).slice(0, 12);
  const lake = await curatedLakeOf(early);
  const whole = await curatedLakeOf([...early, ...late]);
  await landMore(lake, late, "2026-06-01");
  const months = await monthsOf(lake, touchedDays(duckdb, "2026-06-01"));
  assert.ok(months.length > 0 && months.length < 18, months.join());
  for (const table of curatedTables) await write(lake, table, { months });
  for (const { name, columns } of curatedTables) {
    const list = Object.keys(columns).join(", ");
    assert.deepEqual(
      await rowsOf(lake, `SELECT ${list} FROM ${name} ORDER BY ALL`),
      await rowsOf(whole, `SELECT ${list} FROM ${name} ORDER BY ALL`),
      name,
    );
  }
});

test("a customer who is erased leaves every month that has rows of theirs", async () => {
  const events = makeHistory({ seed: 4, customers: 30 });
  const lake = await curatedLakeOf(events);
  const key = events.find(
    (event) => event.kind === "order_completed" && event.customer_key !== undefined,
  )!.customer_key!;
  await lake.run(`INSERT INTO erased_customers VALUES ('${key}')`);
  assert.notDeepEqual(await brokenPromises(lake, curatedOrderEvents), []);
  const months = await monthsOf(lake, erasedDays());
  for (const table of curatedTables) await write(lake, table, { months });
  for (const table of curatedTables) assert.deepEqual(await brokenPromises(lake, table), []);
});
