/** Which months a run writes: those that something touched since the last one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { curate } from "@ebb/functions/model/steps/curate";
import { readWritten, keepWritten } from "@ebb/functions/model/written-tables";
import type { BatchTable } from "@ebb/lake/batch-table";
import { makeHistory } from "@ebb/lake/batch/history";
import { smallLake } from "./small-lake.ts";

const DAY_MS = 86_400_000;
const FIRST_MS = Date.UTC(2025, 5, 1);

const tablesIn = (written: Readonly<Record<string, number | string>>): string[] =>
  Object.keys(written)
    .filter((name) => name.endsWith(" rows"))
    .map((name) => name.slice(0, -" rows".length))
    .sort();

test("a run writes the months that arrivals touched; all after a failure, a change of SQL, or when it is told to", async (context) => {
  const lake = await smallLake(context);
  const events = makeHistory({ seed: 21, customers: 30 });
  const inMay = events.filter(({ occurred_at: at }) => at.startsWith("2024-05-"));
  const late = inMay.filter(({ kind }) => kind.startsWith("order_")).slice(0, 2);
  const visit = inMay.find(({ kind }) => kind === "page")!;
  assert.equal(late.length, 2);
  await lake.land(
    events.filter((event) => event !== visit && !late.includes(event)),
    FIRST_MS,
  );
  let day = 0;
  const run = async (whole?: true) => {
    day += 10;
    const { steps, plan, figures } = await lake.begin({
      asOf: "2025-06-01",
      startedAtMs: FIRST_MS + day * DAY_MS,
      ...(whole === undefined ? {} : { whole }),
    });
    await curate(steps, plan, lake.ports);
    return { months: (await figures("months to write"))["months"], written: await figures("curate") };
  };

  const first = await run();
  assert.equal(first.months, "all");
  const rows = Number(first.written["curated_order_events rows"]);

  assert.deepEqual(await run(), { months: 0, written: {} });

  await lake.land(late, FIRST_MS + (day + 1) * DAY_MS);
  const second = await run();
  assert.equal(second.months, 1);
  const touched = Number(second.written["curated_order_events rows"]);
  assert.ok(touched < rows / 5, `${touched} of ${rows}`);
  const [counted] = await lake.rows("SELECT count(*) AS n, count(DISTINCT event_id) AS d FROM curated_order_events");
  assert.deepEqual(JSON.parse(counted!), { n: rows + late.length, d: rows + late.length });
  assert.deepEqual(tablesIn(second.written), [
    "curated_order_events",
    "product_days",
    "quality_profiles",
    "repeated_orders",
  ]);

  await lake.land([visit], FIRST_MS + (day + 1) * DAY_MS);
  const third = await run();
  assert.equal(third.months, 1);
  const ofVisits = ["bot_days", "curated_activity", "product_days", "quality_profiles", "sessions"];
  assert.deepEqual(tablesIn(third.written), ofVisits);

  assert.equal((await run(true)).months, "all");
  assert.equal((await run()).months, 0);

  // What a run took off and did not put back, because it failed, is written whole.
  await keepWritten(lake.ports, { ...(await readWritten(lake.ports)), curated: {} });
  assert.equal((await run()).months, "all");

  const { curated, ...rest } = await readWritten(lake.ports);
  const changed = { ...curated, curated_social: { ...curated["curated_social"]!, definition: "of another release" } };
  await keepWritten(lake.ports, { ...rest, curated: changed });
  assert.deepEqual(tablesIn((await run()).written), ["curated_social"]);
});

test("a customer who is erased leaves every month, also those that nothing arrived for", async (context) => {
  const lake = await smallLake(context);
  const events = makeHistory({ seed: 22, customers: 20 });
  await lake.land(events, FIRST_MS);
  const key = events.find(
    ({ kind, customer_key }) => kind === "order_completed" && customer_key !== undefined,
  )!.customer_key!;
  const ordered = `SELECT DISTINCT month FROM curated_order_events WHERE customer_key = '${key}'`;
  const run = async (startedAtMs: number) => {
    const { steps, plan, figures } = await lake.begin({ asOf: "2025-06-01", startedAtMs });
    await curate(steps, plan, lake.ports);
    return (await figures("months to write"))["months"];
  };
  await run(FIRST_MS + 10 * DAY_MS);
  assert.notDeepEqual(await lake.rows(ordered), []);

  const { steps } = await lake.begin({ asOf: "2025-06-01", startedAtMs: FIRST_MS + 15 * DAY_MS });
  const erasedCustomers: BatchTable = {
    name: "erased_customers",
    grain: "one row per erased customer",
    key: ["customer_key"],
    columns: { customer_key: { type: "string", description: "Pseudonym" } },
    reads: [],
    engine: "spark",
    sql: () => `SELECT '${key}' AS customer_key`,
    tests: {},
  };
  await steps.job("erase", { name: "erase", writes: [{ table: erasedCustomers, parameters: {} }] });
  const months = await run(FIRST_MS + 20 * DAY_MS);
  assert.ok(typeof months === "number" && months > 0, String(months));
  assert.deepEqual(await lake.rows(ordered), []);
  assert.equal(await run(FIRST_MS + 30 * DAY_MS), 0);
});
