/**
 * Takes what the run knows of every customer to the table that answers for many, and, when that keeps what it promises, to
 * the store that answers for one; some customers at a time.
 */
import { buffer } from "node:stream/consumers";
import type { ChurnModel } from "@ebb/core/churn/model";
import {
  SCORED_CUSTOMERS,
  type ScoredCustomerColumn,
  customerScores,
  scoredCustomerColumns,
} from "@ebb/lake/model/customer-scores";
import { driverWords } from "@ebb/lake/model/driver-words";
import type { CustomerScores, ScoresDocument } from "@ebb/ports";
import type { RunModelPorts } from "../run-model-ports.ts";
import { type RunPlan, midnightOf } from "../run-request.ts";
import type { RunSteps, StartedJob } from "../run-steps.ts";
import { scoredCustomersSql } from "../sql/scored-customers.ts";
import { judgePromises, promiseExports } from "./check-tables.ts";
import { type Clusters, clusterColumns, clusterOf } from "./clusters.ts";
import { type ValueModel, valueColumns, valueColumnsOf, valueOf } from "./value.ts";

export interface ToWriteBack {
  readonly customers: number;
  readonly churn: ChurnModel | undefined;
  readonly value: ValueModel;
  readonly clusters: Clusters | undefined;
}

/** Customers that are in memory at once. */
const PART_CUSTOMERS = 100_000;
const WRITE_AT_ONCE = 10_000;

/** Some of the customers, by their keys, and where the run leaves what it knows of them. */
interface Part {
  readonly part: number;
  readonly parts: number;
}
const partsOf = (customers: number): readonly Part[] => {
  const parts = Math.min(256, Math.max(1, Math.ceil(customers / PART_CUSTOMERS)));
  return Array.from({ length: parts }, (_, part) => ({ part, parts }));
};
const named = (name: string, { part, parts }: Part): string => (parts === 1 ? name : `${name} ${part + 1} of ${parts}`);

/** Rows of SQL that the customers are put together from. @returns the exports by part */
export const exportScored = async (
  steps: RunSteps,
  { asOf }: RunPlan,
  { customers, churn }: Pick<ToWriteBack, "customers" | "churn">,
): Promise<Readonly<Record<string, string>>> => {
  const { exports } = await steps.job("scored customers", {
    name: "scored-customers",
    writes: [],
    exports: partsOf(customers).map(({ part, parts }) => ({
      name: `part-${part}`,
      sql: () => scoredCustomersSql({ asOf, churn: churn !== undefined, part, parts }),
    })),
  });
  return exports;
};

/** @param exports of `exportScored` */
export const putCustomersTogether = async (
  steps: RunSteps,
  plan: RunPlan,
  ports: RunModelPorts,
  what: ToWriteBack,
  exports: Readonly<Record<string, string>>,
): Promise<void> => {
  for (const part of partsOf(what.customers))
    await steps.step(
      named("customers together", part),
      () => putTogether(plan, ports, what, { part: part.part, exportKey: exports[`part-${part.part}`]! }),
      (customers) => ({ customers }),
    );
};

/** Starts the table of what has been put together. */
export const beginCustomerScores = async (
  steps: RunSteps,
  plan: RunPlan,
  { customers, churn }: Pick<ToWriteBack, "customers" | "churn">,
): Promise<StartedJob> => {
  const objectKeys = partsOf(customers).map(({ part }) => partKey(plan, part));
  return await steps.begin("customer scores", {
    name: "customer-scores",
    imports: [{ name: SCORED_CUSTOMERS, columns: scoredCustomerColumns, objectKeys }],
    writes: [
      {
        table: customerScores,
        parameters: {
          cutoff: midnightOf(plan.asOf),
          ...(churn === undefined ? {} : { documents: { model: churn } }),
        },
      },
    ],
    exports: promiseExports([{ table: customerScores, cutoffs: [plan.asOf] }]),
  });
};

/**
 * Takes what has been put together to the store, once the table of it is there.
 *
 * @param table as `beginCustomerScores` started it
 * @throws StepFailed where the table breaks a promise: the store then is as it was
 */
export const writeBack = async (
  steps: RunSteps,
  plan: RunPlan,
  ports: RunModelPorts,
  { customers }: Pick<ToWriteBack, "customers">,
  table: StartedJob,
): Promise<number> => {
  const done = await table.ended();
  await judgePromises(steps, ports, "customer scores checked", done.exports);
  let written = 0;
  for (const part of partsOf(customers))
    written += await steps.step(
      named("write back", part),
      () => writePart(plan, ports, part.part),
      (customers) => ({ customers }),
    );
  await steps.step("write back: forget the parts", async () => {
    await ports.objects.delete(
      partsOf(customers).flatMap(({ part }) => [partKey(plan, part), documentsKey(plan, part)]),
    );
    return true;
  });
  return written;
};

/** Rows of `scored_customers` as JSON Lines, until the documents are in the store. */
const partKey = ({ runId }: RunPlan, part: number): string => `exports/${runId}/scored-customers-${part}.jsonl`;

/** What the store is to hold of the same customers, in the same order. */
const documentsKey = ({ runId }: RunPlan, part: number): string => `exports/${runId}/scores-${part}.txt`;

const DRIVERS = [1, 2, 3] as const;

const putTogether = async (
  plan: RunPlan,
  ports: Pick<RunModelPorts, "runner" | "objects">,
  { churn, value, clusters }: ToWriteBack,
  { part, exportKey }: { readonly part: number; readonly exportKey: string },
): Promise<number> => {
  const names = [
    "customer_key",
    "segment",
    ...new Set([...clusterColumns, ...valueColumns]),
    ...(churn === undefined
      ? []
      : ["probability", "decile", ...DRIVERS.flatMap((place) => [`driver_${place}`, `driver_${place}_log_odds`])]),
  ];
  const columns = await ports.runner.readColumns(exportKey, names);
  const keys = columns["customer_key"] as string[];
  const segments = columns["segment"] as string[];
  const numbers = (name: string): Float64Array => {
    const column = columns[name]!;
    return column instanceof Float64Array ? column : new Float64Array(column.length).fill(NaN);
  };
  const texts = (name: string): readonly (string | undefined)[] => {
    const column = columns[name]!;
    return column instanceof Float64Array ? Array.from<unknown, undefined>(column, () => undefined) : column;
  };
  const ofCluster = clusterOf(clusters, clusterColumns.map(numbers));
  const forValue = valueColumnsOf(columns);
  const words = churn === undefined ? undefined : driverWords(churn);
  const probability = churn === undefined ? undefined : numbers("probability");
  const decile = churn === undefined ? undefined : numbers("decile");
  const drivers =
    churn === undefined
      ? []
      : DRIVERS.map((place) => ({ names: texts(`driver_${place}`), logOdds: numbers(`driver_${place}_log_odds`) }));
  const rows: string[] = [];
  const documents: string[] = [];
  for (const [row, customerKey] of keys.entries()) {
    const scored = probability !== undefined && words !== undefined && Number.isFinite(probability[row]);
    const { expectedValueMinor, valueIfActiveMinor, probabilityActive } = valueOf(
      value,
      forValue,
      row,
      plan.horizonDays,
    );
    const known: Known = {
      customerKey,
      segment: segments[row]!,
      cluster: ofCluster(row),
      churnProbability: scored ? probability[row] : undefined,
      churnDecile: scored ? decile![row] : undefined,
      drivers: scored ? driversAt(drivers, words, row) : undefined,
      expectedValueMinor,
      valueIfActiveMinor,
      probabilityActive,
    };
    rows.push(JSON.stringify(rowOf(known)));
    documents.push(documentLine(customerKey, JSON.stringify(scoresOf(plan, known))));
  }
  await ports.objects.put(partKey(plan, part), Buffer.from(rows.join("\n")));
  await ports.objects.put(documentsKey(plan, part), Buffer.from(documents.join("\n")));
  return keys.length;
};

/** What a run knows of a customer. What is undefined is no field of the JSON. */
interface Known {
  readonly customerKey: string;
  readonly segment: string;
  readonly cluster: string | undefined;
  readonly churnProbability: number | undefined;
  readonly churnDecile: number | undefined;
  readonly drivers: CustomerScores["drivers"] | undefined;
  /** Minor units of the reporting currency. */
  readonly expectedValueMinor: number | undefined;
  readonly valueIfActiveMinor: number | undefined;
  readonly probabilityActive: number | undefined;
}

/** A row of `scored_customers`. */
type ScoredRow = {
  readonly [Column in ScoredCustomerColumn]: (typeof scoredCustomerColumns)[Column] extends "string"
    ? string | undefined
    : number | undefined;
};

/** Literals, here and below, because a run makes one for every customer. */
const rowOf = (known: Known): ScoredRow => ({
  customer_key: known.customerKey,
  cluster: known.cluster,
  expected_value_minor: known.expectedValueMinor,
  value_if_active_minor: known.valueIfActiveMinor,
  probability_active: known.probabilityActive,
});

const scoresOf = (
  plan: RunPlan,
  known: Known,
): { readonly [Field in keyof CustomerScores]: CustomerScores[Field] | undefined } => ({
  customerKey: known.customerKey,
  runId: plan.runId,
  asOf: midnightOf(plan.asOf),
  segment: known.segment,
  cluster: known.cluster,
  churnProbability: known.churnProbability,
  churnDecile: known.churnDecile,
  drivers: known.drivers,
  horizonDays: plan.horizonDays,
  expectedValueMinor: known.expectedValueMinor,
  probabilityActive: known.probabilityActive,
});

/** A line of an object of documents: the key, a tab, which JSON has within texts alone and there as `\t`, the document. */
const documentLine = (customerKey: string, document: string): string => `${customerKey}\t${document}`;
const documentOf = (line: string): ScoresDocument => {
  const end = line.indexOf("\t");
  return { customerKey: line.slice(0, end), document: line.slice(end + 1) };
};

/** The drivers that there are, from the first place on. */
const driversAt = (
  drivers: readonly { readonly names: readonly (string | undefined)[]; readonly logOdds: Float64Array }[],
  words: (feature: string, logOdds: number) => string,
  row: number,
): NonNullable<CustomerScores["drivers"]> => {
  const found: { feature: string; logOdds: number; inWords: string }[] = [];
  for (const { names, logOdds } of drivers) {
    const [feature, by] = [names[row], logOdds[row]!];
    if (feature !== undefined) found.push({ feature, logOdds: by, inWords: words(feature, by) });
  }
  return found;
};

/** Takes the documents of one part to the store. */
const writePart = async (
  plan: RunPlan,
  { objects, scores }: Pick<RunModelPorts, "objects" | "scores">,
  part: number,
): Promise<number> => {
  const text = (await buffer(await objects.get(documentsKey(plan, part)))).toString("utf8");
  const lines = text === "" ? [] : text.split("\n");
  for (let from = 0; from < lines.length; from += WRITE_AT_ONCE)
    await scores.putScores(lines.slice(from, from + WRITE_AT_ONCE).map(documentOf));
  return lines.length;
};
