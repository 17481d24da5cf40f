/** Churn in the latest run: how many are likely to leave, what would be lost, why, and whom it pays to contact. */
import type { ModelCard } from "@ebb/core/churn/model-card";
import type { ContactEconomics } from "@ebb/core/churn/threshold";
import type { Ports } from "@ebb/ports";
import type { HttpHandler } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { Problem } from "../runtime/problem.ts";
import { bins, decilesSql, distributionSql, reasonsSql, stepsSql, thresholds } from "./marts/churn-sql.ts";
import { type MartRow, martHandler, numberOf, rowsOf, textOf } from "./marts/mart-handler.ts";
import { currentCard } from "./marts/current-model.ts";

const NO_SCORES =
  "The latest run has scored nobody. The run says why: a shop needs some months of orders and enough customers who left and who stayed. See /v1/runs.";

export type ChurnPorts = Pick<Ports, "keys" | "queries" | "runs" | "settings" | "suppressions" | "objects">;

export const make = (ports: ChurnPorts): HttpHandler =>
  martHandler(
    ports,
    async ({ run, queries }) => {
      const { dialect } = queries;
      const card: ModelCard | undefined = (await currentCard(ports.objects))?.card;
      const [distribution, deciles, reasons, steps] = await Promise.all(
        [distributionSql, decilesSql, reasonsSql, stepsSql].map((sql) => rowsOf(queries, sql(dialect, run.asOf))),
      );
      const customers = sum(deciles!, "customers");
      if (customers === 0 || card === undefined) throw new Problem("not_found", NO_SCORES);
      return {
        horizon_days: card.protocol.horizonDays,
        customers,
        mean_probability: sum(steps!, "leavers") / customers,
        expected_loss_minor: sum(deciles!, "expected_loss_minor"),
        distribution: Array.from({ length: bins }, (_, bin) => ({
          from: bin / bins,
          to: (bin + 1) / bins,
          customers: numberOf(distribution!.find((row) => numberOf(row["bin"]) === bin)?.["customers"]),
        })),
        deciles: deciles!.map((row) => ({
          decile: numberOf(row["churn_decile"]),
          customers: numberOf(row["customers"]),
          mean_probability: numberOf(row["mean_probability"]),
          expected_loss_minor: numberOf(row["expected_loss_minor"]),
        })),
        drivers: reasons!.map((row) => ({
          feature: textOf(row["driver_1"]),
          words: textOf(row["words"]),
          customers: numberOf(row["customers"]),
        })),
        economics: {
          contact_cost_minor: card.threshold.economics.contactCostMinor,
          save_rate: card.threshold.economics.saveRate,
        },
        threshold: card.model.threshold,
        thresholds: thresholdsOf(steps!, card.threshold.economics),
      };
    },
    () => {
      throw new Problem("not_found", "No run has succeeded yet. See /v1/runs.");
    },
    [],
  );

const sum = (rows: readonly MartRow[], column: string): number =>
  rows.reduce((total, row) => total + numberOf(row[column]), 0);

/**
 * Everybody at or above a threshold is contacted. Saves = expected leavers × the share that a contact saves; profit =
 * that share of their expected loss − the cost of the contacts. Expectations by the model, not what happened.
 */
const thresholdsOf = (
  steps: readonly MartRow[],
  { contactCostMinor, saveRate }: Pick<ContactEconomics, "contactCostMinor" | "saveRate">,
) => {
  let [customers, leavers, lossMinor] = [0, 0, 0];
  const points = [];
  for (let step = thresholds - 1; step >= 0; step--) {
    const row = steps.find((candidate) => numberOf(candidate["step"]) === step);
    customers += numberOf(row?.["customers"]);
    leavers += numberOf(row?.["leavers"]);
    lossMinor += numberOf(row?.["expected_loss_minor"]);
    const costMinor = Math.round(customers * contactCostMinor);
    points.push({
      threshold: step / thresholds,
      customers,
      expected_saves: saveRate * leavers,
      cost_minor: costMinor,
      expected_profit_minor: Math.round(saveRate * lossMinor) - costMinor,
    });
  }
  return points.reverse();
};

export const handler = onAws(make);
