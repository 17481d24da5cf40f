/** Which months of the tables of orders a run writes: those of orders that have changed since these were written. */
import { digest } from "@ebb/core/ids";
import type { BatchParameters, BatchTable } from "@ebb/lake/batch-table";
import { type OrderChanges, changedFirstMonths, changedOrderMonths, orderFacts } from "@ebb/lake/batch/order-facts";
import { rfmBase } from "@ebb/lake/batch/rfm";
import { activeCustomersMonthly, productSalesDaily, salesDaily } from "@ebb/lake/batch/sales-marts";
import type { TableWrite } from "@ebb/ports";
import type { RunModelPorts } from "../run-model-ports.ts";
import { type RunPlan, midnightOf } from "../run-request.ts";
import type { RunSteps } from "../run-steps.ts";
import { definitionOf, keepWritten, readWritten } from "../written-tables.ts";
import { arrivedSince } from "./touched-months.ts";

/** Written by month, as of the run. */
export const orderTables: readonly BatchTable[] = [orderFacts, salesDaily, activeCustomersMonthly, productSalesDaily];

/** Months of the order tables that the run writes; absent where it writes them whole. */
export interface ChangedOrders {
  readonly months?: readonly string[];
  /** Those and the months in which somebody's first order may have been, or may be now. */
  readonly firstMonths?: readonly string[];
}

/** The months of one of the order tables that the run writes; absent where it is written whole. */
export const orderMonths = (
  table: BatchTable,
  { months, firstMonths }: ChangedOrders,
): readonly string[] | undefined => (table === salesDaily ? firstMonths : months);

/** The write of one of the order tables, or none where no order has changed. */
export const orderWrites = (table: BatchTable, changed: ChangedOrders, cutoff: string): TableWrite[] => {
  const months = orderMonths(table, changed);
  const parameters: BatchParameters = { cutoff, ...(months === undefined ? {} : { months }) };
  return months?.length === 0 ? [] : [{ table, parameters }];
};

/** The same whatever the as-of date. */
const definition = (): string =>
  digest(...orderTables.map((table) => definitionOf(table, { cutoff: midnightOf("2000-01-01") })));

/** What may have changed since the tables were written; nothing is told where they must be written whole. */
const changesSince = async (
  plan: RunPlan,
  ports: Pick<RunModelPorts, "objects" | "runner">,
): Promise<Partial<OrderChanges>> => {
  const { orders, wholeAt, shrunkAt } = await readWritten(ports);
  const missing = await ports.runner.unwritten([...orderTables, rfmBase].map(({ name }) => name));
  const stands =
    orders !== undefined &&
    missing.length === 0 &&
    orders.definition === definition() &&
    orders.wholeAt === wholeAt &&
    orders.shrunkAt === shrunkAt;
  if (!stands) return {};
  return {
    arrivedSince: arrivedSince(orders.arrivedBeforeMs),
    cutoffs: [midnightOf(orders.asOf), midnightOf(plan.asOf)],
  };
};

export const findChangedOrders = async (
  steps: RunSteps,
  plan: RunPlan,
  ports: RunModelPorts,
): Promise<ChangedOrders> => {
  const { arrivedSince: since, cutoffs } = await steps.step("orders written", () => changesSince(plan, ports));
  const exported =
    since === undefined || cutoffs === undefined
      ? undefined
      : await steps.job("changed orders", {
          name: "changed-orders",
          writes: [],
          exports: [
            { name: "months", sql: (dialect) => changedOrderMonths(dialect, { arrivedSince: since, cutoffs }) },
            { name: "first-months", sql: (dialect) => changedFirstMonths(dialect, { arrivedSince: since, cutoffs }) },
          ],
        });
  return await steps.step(
    "order months to write",
    async (): Promise<ChangedOrders> => {
      const { orders: _, ...others } = await readWritten(ports);
      await keepWritten(ports, others);
      if (exported === undefined) return {};
      const monthsIn = async (name: string): Promise<readonly string[]> =>
        (await ports.runner.readColumns(exported.exports[name]!, ["month"]))["month"] as string[];
      const months = await monthsIn("months");
      const firstMonths = [...new Set([...months, ...(await monthsIn("first-months"))])];
      return { months: [...months].sort(), firstMonths: firstMonths.sort() };
    },
    ({ months }) => ({ months: months?.length ?? "all" }),
  );
};

/** The order tables are as of the run, and keep what they promise. */
export const rememberOrders = async (
  steps: RunSteps,
  { asOf, startedAtMs }: RunPlan,
  ports: RunModelPorts,
): Promise<void> => {
  await steps.step("orders to keep", async () => {
    const written = await readWritten(ports);
    const { wholeAt, shrunkAt } = written;
    const orders = { definition: definition(), asOf, arrivedBeforeMs: startedAtMs, wholeAt, shrunkAt };
    await keepWritten(ports, { ...written, orders });
    return true;
  });
};
