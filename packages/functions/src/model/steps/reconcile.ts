/**
 * RFM in the customer store against RFM from the lake's SQL, for every customer. Orders go on arriving while a run is at
 * work: whoever differs is looked at again, in the newest events of the lake and in the store, until both agree or do not.
 */
import type { CustomerTotals } from "@ebb/core/customers";
import type { Dialect } from "@ebb/lake/dialect";
import { orderEffectsAsOf } from "@ebb/lake/batch/orders-as-of";
import { customerRfmSql } from "@ebb/lake/tables/order-effects";
import type { CustomerStore, ExportedColumn } from "@ebb/ports";
import { writeJson } from "@ebb/ports/json-objects";
import type { RunModelPorts } from "../run-model-ports.ts";
import type { RunPlan } from "../run-request.ts";
import type { RunSteps, StartedJob } from "../run-steps.ts";

export interface Reconciliation {
  readonly customers: number;
  /** Customers whose figures differ for good. */
  readonly drift: number;
  /** Those that differed at first because an order arrived in between. */
  readonly settled: number;
}

export interface Compared {
  readonly customers: number;
  /** Customer keys, at most `MOST_LISTED`. */
  readonly differing: readonly string[];
  readonly count: number;
}

const MOST_LISTED = 1_000;
const ROUNDS = 5;
const LOOK_SECONDS = 60;

/** Starts RFM from the curated tables. */
export const beginBatchRfm = async (steps: RunSteps): Promise<StartedJob> =>
  await steps.begin("batch RFM", {
    name: "batch-rfm",
    writes: [],
    exports: [{ name: "rfm", sql: curatedRfmSql }],
  });

/** Everybody, for the first time. @param batchRfm as `beginBatchRfm` started it */
export const compareAll = async (steps: RunSteps, ports: RunModelPorts, batchRfm: StartedJob): Promise<Compared> => {
  const exported = await batchRfm.ended();
  return await steps.step("compare", () => comparedAll(ports, exported.exports["rfm"]!), figuresOf);
};

/** @param first as `compareAll` found it */
export const reconcile = async (
  steps: RunSteps,
  plan: RunPlan,
  ports: RunModelPorts,
  first: Compared,
): Promise<Reconciliation> => {
  let left = first;
  for (let round = 1; left.count > 0 && round <= ROUNDS; round++) {
    const suspects = left;
    // What was appended before this instant is in the lake and in the store; what comes later may differ once more.
    await steps.waitFor(`compare again ${round}: arrivals`, LOOK_SECONDS, async () =>
      (await ports.arrivals.missing(ports.now())) === 0 ? true : undefined,
    );
    const again = await steps.job(`compare again ${round}: RFM`, {
      name: `batch-rfm-${round}`,
      writes: [],
      exports: [{ name: "rfm", sql: (dialect) => freshRfmSql(dialect, suspects) }],
    });
    left = await steps.step(
      `compare again ${round}`,
      () =>
        suspects.count > suspects.differing.length
          ? comparedAll(ports, again.exports["rfm"]!)
          : comparedSome(ports, again.exports["rfm"]!, suspects.differing),
      figuresOf,
    );
  }
  const drifted = left;
  return await steps.step(
    "reconcile",
    async () => {
      await writeJson(ports.objects, driftKey(plan.runId), {
        runId: plan.runId,
        customers: first.customers,
        drift: drifted.count,
        differing: drifted.differing,
      });
      ports.metrics.count("CustomersDrifted", drifted.count);
      return { customers: first.customers, drift: drifted.count, settled: first.count - drifted.count };
    },
    ({ customers, drift, settled }) => ({
      customers,
      drift,
      "settled when looked at again": settled,
      ...(drift === 0 ? {} : { differing: drifted.differing.slice(0, 20).join(" ") }),
    }),
  );
};

export const driftKey = (runId: string): string => `reports/${runId}/drift.json`;

const figuresOf = ({ customers, count }: Compared): Record<string, number> => ({ customers, differing: count });

const RFM_COLUMNS = ["customer_key", "orders", "gross_minor", "refund_minor", "first_ms", "last_ms"] as const;

const inMs = (m: Dialect, from: string): string => `
SELECT
  customer_key, orders, gross_minor, refund_minor,
  ${m.epochMs("first_order_at")} AS first_ms,
  ${m.epochMs("last_order_at")} AS last_ms
FROM ${from}`;

/** Over the curated tables as this run has written them. */
const curatedRfmSql = (m: Dialect): string => `
WITH ${orderEffectsAsOf(m, { known: "true" }).trim()},
batch_rfm AS (${customerRfmSql("SELECT * FROM order_effects")}
)
${inMs(m, "batch_rfm")}
ORDER BY customer_key`;

/** Over all events that have landed by now. */
const freshRfmSql = (m: Dialect, { differing, count }: Compared): string => {
  const some =
    count > differing.length ? "" : `\nWHERE customer_key IN (${differing.map((key) => `'${key}'`).join(", ")})`;
  return `${inMs(m, "customer_rfm")}${some}\nORDER BY customer_key`;
};

interface BatchRfm {
  readonly orders: number;
  readonly grossMinor: number;
  readonly refundMinor: number;
  /** NaN where no order counts. */
  readonly firstMs: number;
  readonly lastMs: number;
}

const readRfm = async (ports: Pick<RunModelPorts, "runner">, exportKey: string): Promise<Rfm> => {
  const columns = await ports.runner.readColumns(exportKey, RFM_COLUMNS);
  const number = (name: (typeof RFM_COLUMNS)[number]): Float64Array => {
    const column: ExportedColumn = columns[name]!;
    return column instanceof Float64Array ? column : new Float64Array(column.length).fill(NaN);
  };
  const keys = columns["customer_key"] as string[];
  const [orders, gross, refund, first, last] = [
    number("orders"),
    number("gross_minor"),
    number("refund_minor"),
    number("first_ms"),
    number("last_ms"),
  ];
  const rowOf = new Map(keys.map((key, row) => [key, row]));
  return {
    keys,
    rowOf: (key) => rowOf.get(key),
    at: (row) => {
      if (row === undefined) return undefined;
      return {
        orders: orders[row]!,
        grossMinor: gross[row]!,
        refundMinor: refund[row]!,
        firstMs: first[row]!,
        lastMs: last[row]!,
      };
    },
  };
};

interface Rfm {
  readonly keys: readonly string[];
  rowOf(customerKey: string): number | undefined;
  at(row: number | undefined): BatchRfm | undefined;
}

const same = (stream: CustomerTotals | undefined, batch: BatchRfm | undefined): boolean => {
  if (stream === undefined || batch === undefined) return stream === batch;
  return (
    stream.orders === batch.orders &&
    stream.grossMinor === batch.grossMinor &&
    stream.refundMinor === batch.refundMinor &&
    Object.is(stream.firstOrderAtMs ?? NaN, batch.firstMs) &&
    Object.is(stream.lastOrderAtMs ?? NaN, batch.lastMs)
  );
};

const comparedAll = async (
  ports: Pick<RunModelPorts, "runner" | "customers">,
  exportKey: string,
): Promise<Compared> => {
  const batch = await readRfm(ports, exportKey);
  const seen = new Uint8Array(batch.keys.length);
  const differing: string[] = [];
  let count = 0;
  const note = (key: string): void => {
    count++;
    if (differing.length < MOST_LISTED) differing.push(key);
  };
  for await (const customer of ports.customers.scan()) {
    const row = batch.rowOf(customer.customerKey);
    if (!same(customer, batch.at(row))) note(customer.customerKey);
    if (row !== undefined) seen[row] = 1;
  }
  batch.keys.forEach((key, row) => {
    if (seen[row] === 0) note(key);
  });
  return { customers: batch.keys.length, differing: differing.sort(), count };
};

const READ_AT_ONCE = 100;

const comparedSome = async (
  ports: Pick<RunModelPorts, "runner" | "customers">,
  exportKey: string,
  keys: readonly string[],
): Promise<Compared> => {
  const batch = await readRfm(ports, exportKey);
  const differing: string[] = [];
  for (let from = 0; from < keys.length; from += READ_AT_ONCE) {
    const some = keys.slice(from, from + READ_AT_ONCE) as Parameters<CustomerStore["orders"]>[0][];
    const states = await ports.customers.read(some.map((customerKey) => ({ customerKey, orderKeys: [] })));
    for (const key of some) if (!same(states.get(key)?.customer, batch.at(batch.rowOf(key)))) differing.push(key);
  }
  return { customers: keys.length, differing, count: differing.length };
};
