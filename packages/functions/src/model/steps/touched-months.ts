/** Which months of the curated tables a run writes: those that something touched since the last run wrote them. */
import type { BatchParameters } from "@ebb/lake/batch-table";
import { erasedDays, touchedDays } from "@ebb/lake/batch/curated";
import { monthlyTables } from "@ebb/lake/batch/monthly-tables";
import { repeatedOrders } from "@ebb/lake/batch/repeated-orders";
import type { RunModelPorts } from "../run-model-ports.ts";
import { dayOf } from "@ebb/lake/batch/literals";
import { DAY_MS } from "@ebb/core/time";
import { type RunPlan } from "../run-request.ts";
import type { RunSteps } from "../run-steps.ts";
import { definitionOf, keepWritten, readWritten } from "../written-tables.ts";

/**
 * Receipts are counted from this long before the last run on. It waited for all that was taken in before it began, but
 * clocks differ, and the rows of a large file arrive under the instant of its upload.
 */
const OVERLAP_MS = DAY_MS;

/** The UTC day from which on arrivals may not be in tables that hold what arrived before an instant. */
export const arrivedSince = (arrivedBeforeMs: number): string => dayOf(arrivedBeforeMs - OVERLAP_MS);

export interface ToCurate {
  /** Of the curated tables when they are written. */
  readonly version: number;
  /** Names of tables that are written whole: never written before, or made by other SQL. */
  readonly whole: readonly string[];
  /** Months of the others that are written, by table. */
  readonly months: Readonly<Record<string, readonly string[]>>;
}

/** The parameters of a table's write; undefined where nothing of it is to be written. */
export const curateParameters = ({ whole, months }: ToCurate, table: string): BatchParameters | undefined => {
  if (whole.includes(table)) return {};
  const own = months[table] ?? [];
  return own.length === 0 ? undefined : { months: own };
};

/** Of every monthly table the months that were touched in one that it is made of. @param touched of the curated tables */
const monthsByTable = (touched: ReadonlyMap<string, ReadonlySet<string>>): Record<string, readonly string[]> => {
  const months = new Map(touched);
  for (const { name, reads } of monthlyTables) {
    const own = [name, ...reads].flatMap((each) => [...(months.get(each) ?? [])]);
    months.set(name, new Set(own));
  }
  return Object.fromEntries([...months].map(([name, own]) => [name, [...own].sort()]));
};

const definitions = (): Record<string, string> =>
  Object.fromEntries(monthlyTables.map((table) => [table.name, definitionOf(table, {})]));

export const findTouched = async (steps: RunSteps, plan: RunPlan, ports: RunModelPorts): Promise<ToCurate> => {
  const names = monthlyTables.map(({ name }) => name);
  const { whole, since, erasures } = await steps.step(
    "what has been written",
    async () => {
      const { curated } = await readWritten(ports);
      const missing = await ports.runner.unwritten([...names, repeatedOrders.name, "erased_customers"]);
      const current = definitions();
      const anew = plan.whole === true || [...names, repeatedOrders.name].some((name) => missing.includes(name));
      const standing = anew ? [] : names.filter((name) => curated[name]?.definition === current[name]);
      const reach = Math.min(...standing.map((name) => curated[name]!.arrivedBeforeMs));
      return {
        whole: names.filter((name) => !standing.includes(name)),
        ...(standing.length === 0 ? {} : { since: arrivedSince(reach) }),
        erasures: !missing.includes("erased_customers"),
      };
    },
    ({ whole, since }) => ({
      ...(since === undefined ? {} : { "arrived since": since }),
      ...(whole.length === 0 ? {} : { whole: whole.join(", ") }),
    }),
  );
  const exported =
    since === undefined
      ? undefined
      : await steps.job("touched months", {
          name: "touched-months",
          writes: [],
          exports: [
            {
              name: "days",
              sql: (dialect) => touchedDays(dialect, since) + (erasures ? `\nUNION\n${erasedDays()}` : ""),
            },
            { name: "rows", sql: () => ORDER_ROWS_SQL },
          ],
        });
  return await steps.step(
    "months to write",
    async () => {
      const found =
        exported === undefined
          ? { table_name: [], day: [] }
          : await ports.runner.readColumns(exported.exports["days"]!, ["table_name", "day"]);
      const [tables, days] = [found["table_name"] as string[], found["day"] as string[]];
      const rows = exported === undefined ? undefined : await readOrderRows(ports, exported.exports["rows"]!);
      const touched = new Map<string, Set<string>>();
      for (const [row, table] of tables.entries())
        touched.set(table, (touched.get(table) ?? new Set()).add(days[row]!.slice(0, 7)));
      const months = monthsByTable(touched);
      const written = await readWritten(ports);
      // Made again after a crash it is the same version.
      const version = written.runId === plan.runId ? written.version : written.version + 1;
      const { orderRows, ...others } = written;
      await keepWritten(ports, {
        ...others,
        shrunkAt: rows !== undefined && rows === orderRows ? written.shrunkAt : version,
        runId: plan.runId,
        version,
        wholeAt: whole.length === 0 ? written.wholeAt : version,
        days: { ...written.days, ...Object.fromEntries(days.map((day) => [day, version])) },
        curated: {},
      });
      return { version, whole, months };
    },
    ({ months }) => ({
      months: whole.length === names.length ? "all" : new Set(Object.values(months).flat()).size,
    }),
  );
};

export const ORDER_ROWS_SQL = "SELECT count(*) AS order_rows FROM curated_order_events";

const readOrderRows = async ({ runner }: Pick<RunModelPorts, "runner">, exportKey: string): Promise<number> =>
  ((await runner.readColumns(exportKey, ["order_rows"]))["order_rows"] as Float64Array)[0]!;

/** The curated tables hold all that arrived before the run began. @param rowsKey the export of `ORDER_ROWS_SQL` */
export const rememberCurated = async (
  steps: RunSteps,
  plan: RunPlan,
  ports: RunModelPorts,
  rowsKey: string,
): Promise<void> => {
  await steps.step("curated", async () => {
    const orderRows = await readOrderRows(ports, rowsKey);
    const curated = Object.fromEntries(
      Object.entries(definitions()).map(([name, definition]) => [
        name,
        { definition, arrivedBeforeMs: plan.startedAtMs },
      ]),
    );
    await keepWritten(ports, { ...(await readWritten(ports)), curated, orderRows });
    return true;
  });
};
