/** RFM over all customers: exact cut points, published as a version, and everybody's segment. */
import { digest } from "@ebb/core/ids";
import type { CutPoints } from "@ebb/core/rfm";
import { type SegmentConfiguration, cutPointsOf, parseSegmentConfiguration } from "@ebb/core/segments";
import { orderFacts } from "@ebb/lake/batch/order-facts";
import { RFM_DOCUMENTS, customerSegments, rfmBase, rfmQuantiles } from "@ebb/lake/batch/rfm";
import type { RunModelPorts } from "../run-model-ports.ts";
import { type RunPlan, midnightOf } from "../run-request.ts";
import { type RunSteps, writtenFigures } from "../run-steps.ts";
import { type ChangedOrders, orderWrites } from "./changed-orders.ts";

export interface Segments {
  /** Customers who ever ordered or gave something back. */
  readonly customers: number;
  readonly cutPoints: CutPoints;
  readonly bySegment: Readonly<Record<string, number>>;
}

export const makeSegments = async (
  steps: RunSteps,
  plan: RunPlan,
  ports: RunModelPorts,
  changed: ChangedOrders = {},
): Promise<Segments> => {
  const cutoff = midnightOf(plan.asOf);
  // Part of what is remembered: a setting that changes while a run is interrupted does not mix two configurations.
  const configuration = await steps.step(
    "segment configuration",
    async () => parseSegmentConfiguration(ports.settings.model?.segments ?? {}),
    ({ money, windowMonths }) => ({ money, ...(windowMonths === undefined ? {} : { "window, months": windowMonths }) }),
  );
  const documents = { [RFM_DOCUMENTS.configuration]: configuration };
  const rfm = await steps.job("RFM", {
    name: "rfm",
    writes: [
      ...orderWrites(orderFacts, changed, cutoff),
      { table: rfmBase, parameters: { cutoff, documents } },
      { table: rfmQuantiles, parameters: { cutoff } },
    ],
    exports: [
      {
        name: "quantiles",
        sql: () => "SELECT measure, cut_1, cut_2, cut_3, cut_4 FROM rfm_quantiles ORDER BY measure",
      },
    ],
  });
  const cutPoints = await steps.step(
    "cut points",
    async () => {
      const cuts = await cutPointsFrom(ports, rfm.exports["quantiles"]!, configuration, plan.asOf);
      await ports.customers.publishCutPoints(cuts);
      return cuts;
    },
    ({ version }) => ({ version }),
  );
  const done = await steps.job(
    "segments",
    {
      name: "segments",
      writes: [
        { table: customerSegments, parameters: { cutoff, documents: { [RFM_DOCUMENTS.cutPoints]: cutPoints } } },
      ],
      exports: [{ name: "counts", sql: () => countsSql(plan.asOf) }],
    },
    writtenFigures,
  );
  const bySegment = await steps.step(
    "customers by segment",
    async () => {
      const columns = await ports.runner.readColumns(done.exports["counts"]!, ["segment", "customers"]);
      const customers = columns["customers"] as Float64Array;
      return Object.fromEntries((columns["segment"] as string[]).map((segment, row) => [segment, customers[row]!]));
    },
    (counts) => counts,
  );
  return { customers: Object.values(bySegment).reduce((sum, count) => sum + count, 0), cutPoints, bySegment };
};

const countsSql = (asOf: string): string => `
SELECT segment, count(*) AS customers FROM customer_segments WHERE cutoff = '${asOf}'
GROUP BY segment ORDER BY count(*) DESC, segment`;

/** The version names what the cut points are, so that a run made again publishes the same. */
const cutPointsFrom = async (
  ports: Pick<RunModelPorts, "runner">,
  exportKey: string,
  configuration: SegmentConfiguration,
  asOf: string,
): Promise<CutPoints> => {
  const names = ["cut_1", "cut_2", "cut_3", "cut_4"];
  const columns = await ports.runner.readColumns(exportKey, ["measure", ...names]);
  const rowOf = new Map((columns["measure"] as string[]).map((measure, row) => [measure, row]));
  // The four values that part all customers into fifths part themselves into the same fifths.
  const quantiles = (measure: string): number[] => {
    const row = rowOf.get(measure);
    return row === undefined ? [] : names.map((name) => (columns[name] as Float64Array)[row]!);
  };
  const values = {
    lastOrderAtMs: quantiles("recency"),
    orders: quantiles("frequency"),
    monetaryMinor: quantiles("monetary"),
  };
  const cuts = cutPointsOf(values, configuration, { asOfMs: Date.parse(asOf), version: asOf });
  return { ...cuts, version: `${asOf}-${digest(JSON.stringify(cuts)).slice(0, 8)}` };
};
