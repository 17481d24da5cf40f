/** A run writes what arrivals have touched, and the tables are those of a run that writes everything. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { StreamEvent } from "@ebb/core/stream-event";
import { type Cutoffs, makeFeatures } from "@ebb/functions/model/steps/features";
import { findChangedOrders, orderTables, orderWrites, rememberOrders } from "@ebb/functions/model/steps/changed-orders";
import { curate } from "@ebb/functions/model/steps/curate";
import { makeHistory } from "@ebb/lake/batch/history";
import { monthlyTables } from "@ebb/lake/batch/monthly-tables";
import { rfmBase } from "@ebb/lake/batch/rfm";
import fc from "fast-check";
import { type SmallLake, smallLake } from "./small-lake.ts";

const DAY_MS = 86_400_000;
const FIRST_MS = Date.UTC(2025, 4, 1);

const madeBy = async (lake: SmallLake, asOf: string, startedAtMs: number, whole?: boolean) => {
  const { steps, plan, figures } = await lake.begin({
    asOf,
    startedAtMs,
    horizonDays: 120,
    ...(whole === undefined ? {} : { whole }),
  });
  const history = await curate(steps, plan, lake.ports);
  const cutoffs = await makeFeatures(steps, plan, lake.ports, history);
  const changed = await findChangedOrders(steps, plan, lake.ports);
  const cutoff = `${asOf}T00:00:00.000Z`;
  const [facts, ...others] = orderTables.map((table) => orderWrites(table, changed, cutoff));
  const writes = [...facts!, { table: rfmBase, parameters: { cutoff } }, ...others.flat()];
  await steps.job("order tables", { name: "order-tables", writes });
  await rememberOrders(steps, plan, lake.ports);
  return { history, cutoffs, changed, figures };
};

const tablesOf = async (lake: SmallLake, { asOf, past }: Cutoffs): Promise<Record<string, string[]>> => {
  const within = `cutoff IN (${[asOf, ...past].map((day) => `'${day}'`).join(", ")})`;
  const tables: Record<string, string[]> = {};
  for (const { name } of [...monthlyTables, ...orderTables]) tables[name] = await lake.rows(`SELECT * FROM ${name}`);
  tables["customer_features"] = await lake.rows(`SELECT * FROM customer_features WHERE ${within}`);
  const labelled = `cutoff IN (${past.map((day) => `'${day}'`).join(", ")})`;
  tables["customer_labels"] = await lake.rows(`SELECT * FROM customer_labels WHERE ${labelled}`);
  return tables;
};

/** The same event again: as it was, as a later receipt, or with its time stated anew. */
const again = (event: StreamEvent, how: number): StreamEvent => {
  if (how === 0) return event;
  const later = { ...event, received_at: "2025-06-01T00:00:00.000Z", receipt_id: "rcp_again" };
  if (how === 1) return later;
  return { ...later, occurred_at: new Date(Date.parse(event.occurred_at) - 40 * DAY_MS).toISOString() };
};

describe("incremental runs", () => {
  test("leave the rows of a run from scratch, whatever arrives when", async (context) => {
    const arrivals = fc.record({
      seed: fc.integer({ min: 1, max: 1_000_000 }),
      /** Events that arrive before the second run or the third, by their place; the others are there from the beginning. */
      late: fc.array(fc.record({ event: fc.nat(), turn: fc.integer({ min: 1, max: 2 }) }), { maxLength: 6 }),
      repeated: fc.array(fc.record({ event: fc.nat(), turn: fc.integer({ min: 1, max: 2 }), how: fc.nat(2) }), {
        maxLength: 4,
      }),
      asOf: fc.tuple(fc.nat(20), fc.nat(20), fc.nat(20)),
    });
    let kept = 0;
    let keptMonths = 0;
    await fc.assert(
      fc.asyncProperty(arrivals, async ({ seed, late, repeated, asOf }) => {
        const events = makeHistory({ seed, customers: 10 });
        const turnOf = new Map(late.map(({ event, turn }) => [event % events.length, turn]));
        const lake = await smallLake(context);
        const arrived: StreamEvent[] = [];
        for (const turn of [0, 1, 2]) {
          const batch = [
            ...events.filter((_, index) => (turnOf.get(index) ?? 0) === turn),
            ...repeated
              .filter((one) => one.turn === turn)
              .map(({ event, how }) => again(events[event % events.length]!, how)),
          ];
          arrived.push(...batch);
          const atMs = FIRST_MS + turn * 10 * DAY_MS;
          await lake.land(batch, atMs);
          const day = new Date(FIRST_MS + asOf[turn]! * DAY_MS).toISOString().slice(0, 10);
          const { cutoffs, figures, history, changed } = await madeBy(lake, day, atMs + 2 * DAY_MS);
          if (changed.months !== undefined) keptMonths += 18 - changed.months.length;
          const { features } = await figures("cutoffs to write");
          kept += cutoffs.past.length + 1 - Number(features);
          if (turn === 0) continue;
          const scratch = await smallLake(context);
          await scratch.land(arrived, atMs);
          const whole = await madeBy(scratch, day, atMs + 2 * DAY_MS);
          assert.deepEqual([whole.cutoffs.asOf, whole.cutoffs.past], [cutoffs.asOf, cutoffs.past]);
          assert.equal(whole.history.dataVersion, history.dataVersion);
          assert.deepEqual(await tablesOf(lake, cutoffs), await tablesOf(scratch, cutoffs));
        }
      }),
      { seed: 20_261_122, numRuns: 3, endOnFailure: true },
    );
    assert.ok(kept > 0, "some cutoffs were not written again");
    assert.ok(keptMonths > 0, "some months of orders were not written again");
  });
});
