/** What the tables promise is looked at while a run goes on; a short history has no model and no failure. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { beginChecks } from "@ebb/functions/model/steps/check-tables";
import { curate } from "@ebb/functions/model/steps/curate";
import { makeFeatures } from "@ebb/functions/model/steps/features";
import { fitChurnModel } from "@ebb/functions/model/steps/fit";
import { beginMarts, tablesOfRun } from "@ebb/functions/model/steps/marts";
import { makeSegments } from "@ebb/functions/model/steps/segments";
import { customersAtAsOf } from "@ebb/functions/model/steps/customers";
import { unify } from "@ebb/functions/model/steps/unify";
import { fitValue } from "@ebb/functions/model/steps/value";
import {
  type ToWriteBack,
  beginCustomerScores,
  exportScored,
  putCustomersTogether,
  writeBack,
} from "@ebb/functions/model/steps/write-back";
import { beginQualityTables } from "@ebb/functions/model/steps/check-quality";
import { makeHistory } from "@ebb/lake/batch/history";
import { monthlyTables } from "@ebb/lake/batch/monthly-tables";
import { salesDaily } from "@ebb/lake/batch/sales-marts";
import { customerScores } from "@ebb/lake/model/customer-scores";
import type { BatchTable } from "@ebb/lake/batch-table";
import type { RunModelPorts } from "@ebb/functions/model/run-model-ports";
import { type SmallLake, smallLake } from "./small-lake.ts";

const DAY_MS = 86_400_000;
const ARRIVED_MS = Date.UTC(2024, 2, 1);
/** Too early for a cutoff in the past. */
const AS_OF = "2024-02-01";

test("a run's tables keep their promises; a table falsified on purpose fails it by name and count", async (context) => {
  const lake = await smallLake(context);
  await lake.land(makeHistory({ seed: 11, customers: 40 }), ARRIVED_MS);
  const { steps, plan, figures } = await lake.begin({ asOf: AS_OF, startedAtMs: ARRIVED_MS + DAY_MS });
  const history = await curate(steps, plan, lake.ports);
  await unify(steps, plan, lake.ports);
  const cutoffs = await makeFeatures(steps, plan, lake.ports, history);
  assert.deepEqual(cutoffs.past, []);
  const fit = await fitChurnModel(steps, plan, lake.ports, cutoffs, history.dataVersion, {});
  assert.ok(fit.kind === "refused" && fit.reason.startsWith("The history is too short"));
  await (await beginQualityTables(steps, plan)).ended();
  await makeSegments(steps, plan, lake.ports);
  await (await beginMarts(steps, plan)).ended();
  await (
    await beginChecks(steps, lake.ports, tablesOfRun(cutoffs, false))
  )();
  const promises = monthlyTables.flatMap(({ tests }) => Object.keys(tests)).length;
  assert.equal((await figures("curated tables checked"))["promises"], promises);
  assert.ok(Number((await figures("tables checked"))["promises"]) > 20);

  const next = await lake.begin({ asOf: AS_OF, startedAtMs: ARRIVED_MS + 2 * DAY_MS });
  await next.steps.job("falsify", {
    name: "falsify",
    writes: [
      {
        table: {
          ...salesDaily,
          sql: (m, parameters) =>
            `SELECT * REPLACE (CASE WHEN gross_minor > 0 THEN net_minor + 1 ELSE net_minor END AS net_minor)
             FROM (${salesDaily.sql(m, parameters)}) AS honest`,
        },
        parameters: { cutoff: `${AS_OF}T00:00:00.000Z` },
      },
    ],
  });
  const [counted] = await lake.rows("SELECT count(*) AS n FROM sales_daily WHERE gross_minor > 0");
  const { n } = JSON.parse(counted!) as { n: number };
  assert.ok(n > 1);
  await assert.rejects(await beginChecks(next.steps, lake.ports, tablesOfRun(cutoffs, false)), {
    name: "StepFailed",
    message:
      `Tables break their promises. sales_daily: "net = gross - refunds" is broken by ${n} rows. ` +
      'sales_daily: "the sums of orders are those of all orders" is broken by 1 row.',
  });
});

/** Ports that write `customer_scores` by the SQL of `table`. */
const writingBy = (ports: RunModelPorts, table: BatchTable): RunModelPorts => ({
  ...ports,
  runner: {
    start: (job, token) =>
      ports.runner.start(
        { ...job, writes: job.writes.map((write) => (write.table === customerScores ? { ...write, table } : write)) },
        token,
      ),
    state: (id) => ports.runner.state(id),
    unwritten: (tables) => ports.runner.unwritten(tables),
    readColumns: (key, columns) => ports.runner.readColumns(key, columns),
  },
});

const writtenBack = async (
  { steps, plan }: Pick<Awaited<ReturnType<SmallLake["begin"]>>, "steps" | "plan">,
  ports: RunModelPorts,
  what: ToWriteBack,
): Promise<number> => {
  await putCustomersTogether(steps, plan, ports, what, await exportScored(steps, plan, what));
  return await writeBack(steps, plan, ports, what, await beginCustomerScores(steps, plan, what));
};

test("nobody's scores are written back from a table that breaks its promises; all are from one that keeps them", async (context) => {
  const lake = await smallLake(context);
  const { ports } = lake;
  await lake.land(makeHistory({ seed: 12, customers: 40 }), ARRIVED_MS);
  const { steps, plan } = await lake.begin({ asOf: AS_OF, startedAtMs: ARRIVED_MS + DAY_MS });
  const history = await curate(steps, plan, ports);
  await makeFeatures(steps, plan, ports, history);
  const { customers } = await makeSegments(steps, plan, ports);
  const { histories } = await customersAtAsOf(steps, plan, customers);
  const value = await fitValue(steps, plan, ports, histories);
  const what = { customers, churn: undefined, value, clusters: undefined };
  const rows = await lake.rows("SELECT customer_key, segment FROM customer_segments");
  const all = rows.map((row) => JSON.parse(row) as { customer_key: string; segment: string });

  const twice = writingBy(ports, {
    ...customerScores,
    sql: (m, parameters) => {
      const honest = customerScores.sql(m, parameters);
      return `SELECT * FROM (${honest}) AS one UNION ALL SELECT * FROM (${honest}) AS other WHERE other.orders > 1`;
    },
  });
  const falsified = await lake.begin({ asOf: AS_OF, startedAtMs: ARRIVED_MS + 2 * DAY_MS }, twice);
  await assert.rejects(writtenBack(falsified, twice, what), {
    name: "StepFailed",
    message:
      /^Tables break their promises\. customer_scores: "one row a customer and cutoff" is broken by \d+ rows?\.$/,
  });
  for (const { customer_key: key } of all) assert.equal(await ports.scores.scores(key), undefined);

  const next = await lake.begin({ asOf: AS_OF, startedAtMs: ARRIVED_MS + 3 * DAY_MS });
  assert.equal(await writtenBack(next, ports, what), all.length);
  assert.equal((await next.figures("customer scores checked"))["promises"], 3);
  for (const { customer_key: key, segment } of all) assert.equal((await ports.scores.scores(key))?.segment, segment);
});
