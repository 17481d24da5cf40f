/** What customers will be worth: BG/NBD for how often they come back, Gamma-Gamma for how much they spend. */
import { type BgNbdParameters, fitBgNbd } from "@ebb/core/value/bg-nbd";
import { expectedPurchases, probabilityAlive } from "@ebb/core/value/expectations";
import { type GammaGammaParameters, expectedSpend, fitGammaGamma } from "@ebb/core/value/gamma-gamma";
import { groupHistories } from "@ebb/core/value/histories";
import type { ExportedColumn } from "@ebb/ports";
import { writeJson } from "../objects.ts";
import type { RunModelPorts } from "../run-model-ports.ts";
import type { RunPlan } from "../run-request.ts";
import type { RunSteps } from "../run-steps.ts";

export interface ValueModel {
  /** Absent where repeat purchases do not determine it. Times in days. */
  readonly purchases?: BgNbdParameters;
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
  { purchases, spend }: ValueModel,
  columns: ValueColumns,
  row: number,
  horizonDays: number,
): {
  readonly probabilityActive?: number;
  readonly expectedValueMinor?: number;
  /** The expected value of the same customer, given that he is still active: what is lost when he leaves. */
  readonly valueIfActiveMinor?: number;
} => {
  const x = columns.repeat_days[row]!;
  if (purchases === undefined || !Number.isFinite(x)) return {};
  const history = { x, tx: columns.first_to_last_days[row]!, T: columns.observed_days[row]! };
  const probabilityActive = probabilityAlive(purchases, history);
  const money = spend === undefined ? undefined : expectedSpend(spend, x, meanPurchase(columns, row));
  if (money === undefined) return { probabilityActive };
  const expectedMinor = expectedPurchases(purchases, history, horizonDays) * money;
  return {
    probabilityActive,
    expectedValueMinor: Math.round(expectedMinor),
    ...(probabilityActive > 0 ? { valueIfActiveMinor: Math.round(expectedMinor / probabilityActive) } : {}),
  };
};
