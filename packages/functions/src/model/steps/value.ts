/** What customers will be worth: BG/NBD for how often they come back, Gamma-Gamma for how much they spend. */
import { type BgNbdParameters, fitBgNbd } from "@ebb/core/value/bg-nbd";
import { expectedPurchases, probabilityAlive } from "@ebb/core/value/expectations";
import { type GammaGammaParameters, expectedSpend, fitGammaGamma } from "@ebb/core/value/gamma-gamma";
import { groupHistories } from "@ebb/core/value/histories";
import type { ExportedColumn } from "@ebb/ports";
import { writeJson } from "@ebb/ports/json-objects";
import type { RunModelPorts } from "../run-model-ports.ts";
import type { RunPlan } from "../run-request.ts";
import type { RunSteps } from "../run-steps.ts";

export interface ValueModel {
  /** Absent where repeat purchases do not determine it. Times in days. */
  readonly purchases?: BgNbdParameters;
  /**
   * Purchases a day of who is still active are a gamma with these, whatever drop-out is: shape r + x, rate α + T. Absent
   * where they are not determined.
   */
  readonly rate?: Pick<BgNbdParameters, "r" | "alpha">;
  /** Absent where spend does not determine it. Minor units. */
  readonly spend?: GammaGammaParameters;
  /** Why something is absent, or not to be trusted. */
  readonly remarks: readonly string[];
}

export const valueColumns = [
  "orders",
  "repeat_days",
  "first_to_last_days",
  "observed_days",
  "mean_order_minor",
] as const;
type ValueColumns = Readonly<Record<(typeof valueColumns)[number], Float64Array>>;

export const valueColumnsOf = (exported: Readonly<Record<string, ExportedColumn>>): ValueColumns =>
  Object.fromEntries(
    valueColumns.map((name) => {
      const column = exported[name]!;
      return [name, column instanceof Float64Array ? column : new Float64Array(column.length).fill(NaN)];
    }),
  ) as unknown as ValueColumns;

/** Orders of one day are one purchase: its mean spend. */
const meanPurchase = (columns: ValueColumns, row: number): number =>
  (columns.mean_order_minor[row]! * columns.orders[row]!) / (columns.repeat_days[row]! + 1);

const isOfDropOut = ({ parameter }: { readonly parameter?: string }): boolean => parameter === "a" || parameter === "b";

export const valueKey = (runId: string): string => `models/${runId}/value.json`;

export const fitValue = async (
  steps: RunSteps,
  plan: RunPlan,
  ports: RunModelPorts,
  exportKey: string,
): Promise<ValueModel> =>
  await steps.step(
    "value",
    async () => {
      const columns = valueColumnsOf(await ports.runner.readColumns(exportKey, valueColumns));
      const bgNbd = fitBgNbd(groupHistories(columns.repeat_days, columns.first_to_last_days, columns.observed_days));
      const gammaGamma = fitGammaGamma(
        columns.repeat_days,
        columns.repeat_days.map((_, row) => meanPurchase(columns, row)),
      );
      const remarks = [...bgNbd.problems, ...gammaGamma.problems].map(({ message }) => message);
      const model: ValueModel = {
        ...(bgNbd.identified && bgNbd.parameters !== undefined ? { purchases: bgNbd.parameters } : {}),
        ...(bgNbd.parameters !== undefined && bgNbd.problems.every(isOfDropOut) ? { rate: bgNbd.parameters } : {}),
        ...(gammaGamma.identified && gammaGamma.parameters !== undefined ? { spend: gammaGamma.parameters } : {}),
        remarks,
      };
      await writeJson(ports.objects, valueKey(plan.runId), { runId: plan.runId, bgNbd, gammaGamma });
      return model;
    },
    ({ purchases, spend, remarks }) => ({
      "BG/NBD": purchases === undefined ? "not determined" : "fitted",
      "Gamma-Gamma": spend === undefined ? "not determined" : "fitted",
      ...(remarks.length === 0 ? {} : { remarks: remarks.join(" ") }),
    }),
  );

/** What the models say of one customer. */
export const valueOf = (
  { purchases, rate, spend }: ValueModel,
  columns: ValueColumns,
  row: number,
  horizonDays: number,
): {
  readonly probabilityActive?: number;
  readonly expectedValueMinor?: number;
  /** What the customer is worth within the horizon when they stay for all of it: lost when they leave. */
  readonly valueIfActiveMinor?: number;
} => {
  const x = columns.repeat_days[row]!;
  if (!Number.isFinite(x)) return {};
  const history = { x, tx: columns.first_to_last_days[row]!, T: columns.observed_days[row]! };
  const minor = spend === undefined ? undefined : expectedSpend(spend, x, meanPurchase(columns, row));
  return {
    ...(purchases === undefined ? {} : { probabilityActive: probabilityAlive(purchases, history) }),
    ...(purchases === undefined || minor === undefined
      ? {}
      : { expectedValueMinor: Math.round(expectedPurchases(purchases, history, horizonDays) * minor) }),
    ...(rate === undefined || minor === undefined
      ? {}
      : { valueIfActiveMinor: Math.round(((rate.r + x) / (rate.alpha + history.T)) * horizonDays * minor) }),
  };
};
