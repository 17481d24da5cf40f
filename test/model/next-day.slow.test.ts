/** The run after one more day of orders keeps what that day did not touch, and leaves what a run from scratch leaves. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { batchTables } from "@ebb/ports/embedded/batch-manifest";
import { DuckDbQueryEngine } from "@ebb/ports/embedded/query-engine";
import { HISTORY_DAYS, arrive, dayText } from "../bench/order-history.ts";
import { type RunTaken, ShopRuns } from "../bench/shop-run.ts";

const history = { orders: 12_000, customers: 2_500 };
const MEMORY_MB = 512;
const [today, tomorrow] = [dayText(HISTORY_DAYS), dayText(HISTORY_DAYS + 1)];

/** Tell of the run before, which one of the two shops has not had. */
const ofTwoRuns = new Set(["segment_movements", "segment_daily"]);

/** Count and sum of hashes of the rows of the newest as-of date, by table; the sum does not depend on their order. */
const tablesOf = async (folder: string): Promise<Record<string, string[]>> => {
  const lake = path.join(folder, "lake");
  const engine = await DuckDbQueryEngine.open({ folder: lake, memoryMb: MEMORY_MB });
  try {
    const sums: Record<string, string[]> = {};
    for (const { name, partition, columns } of batchTables(lake)) {
      if (ofTwoRuns.has(name)) continue;
      const told = columns.map((column) => column.name).filter((column) => column !== "model_id");
      const newest = partition === "cutoff" && name !== "customer_labels" ? ` WHERE cutoff = '${tomorrow}'` : "";
      const { rows } = await engine.query(
        `SELECT count(*), CAST(sum(CAST(hash(t) AS HUGEINT)) AS VARCHAR) FROM (SELECT ${told.join(", ")} FROM ${name}${newest}) AS t`,
      );
      sums[name] = rows[0]!.map(String);
    }
    return sums;
  } finally {
    engine.close();
  }
};

const figuresOf = ({ steps }: RunTaken, name: string): Readonly<Record<string, number | string>> =>
  steps.find((step) => step.name === name)?.figures ?? {};

test("the run after one more day keeps the model and the months without a change; every table is that of a run from scratch", async (context) => {
  const root = await mkdtemp(path.join(tmpdir(), "ebb-next-day-"));
  const shops: ShopRuns[] = [];
  context.after(async () => {
    for (const shop of shops) await shop.close();
    await rm(root, { recursive: true, force: true });
  });
  const shopIn = async (name: string): Promise<{ folder: string; shop: ShopRuns }> => {
    const folder = path.join(root, name);
    await arrive(path.join(folder, "lake"), history, 0, HISTORY_DAYS);
    const shop = await ShopRuns.open(folder, MEMORY_MB);
    shops.push(shop);
    return { folder, shop };
  };
  const nextDayArrives = (folder: string) => arrive(path.join(folder, "lake"), history, HISTORY_DAYS, HISTORY_DAYS + 1);

  const { folder, shop } = await shopIn("day by day");
  await shop.keepCustomers(MEMORY_MB);
  const first = await shop.run(today);
  assert.ok(Number(figuresOf(first, "fit")["AUC"]) > 0.5, JSON.stringify(figuresOf(first, "fit")));
  await nextDayArrives(folder);
  await shop.keepCustomers(MEMORY_MB, today);
  const next = await shop.run(tomorrow);
  assert.equal(figuresOf(next, "reconcile")["drift"], 0);

  assert.equal(figuresOf(next, "fit")["kept, as fitted by"], today);
  assert.equal(figuresOf(next, "promote")["because"], `nothing that the model of ${today} was fitted on has changed`);
  assert.equal(figuresOf(next, "promote")["scored by the model of"], today);
  assert.ok(!next.steps.some(({ name }) => name === "training rows"));
  const report = await readFile(path.join(folder, "objects", String(figuresOf(next, "report")["report"])), "utf8");
  assert.match(report, new RegExp(`Not fitted again for ${tomorrow}`));
  const { features, labels } = figuresOf(next, "cutoffs to write");
  assert.deepEqual([features, labels], [1, 0]);
  assert.ok(Number(figuresOf(next, "months to write")["months"]) <= 2);
  assert.ok(Number(figuresOf(next, "order months to write")["months"]) <= 3);

  const { folder: other, shop: scratch } = await shopIn("from scratch");
  await nextDayArrives(other);
  await scratch.keepCustomers(MEMORY_MB);
  const whole = await scratch.run(tomorrow);
  assert.equal(figuresOf(whole, "fit")["kept, as fitted by"], undefined);
  const [kept, made] = [await tablesOf(folder), await tablesOf(other)];
  assert.ok(Number(made["churn_scores"]![0]) > 1_000 && Number(made["product_sales_daily"]![0]) > 10_000);
  assert.deepEqual(kept, made);
});
