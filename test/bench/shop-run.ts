/** Batch runs as the home makes them, over a lake in a folder, with the CPU that each of their steps took. */
import path from "node:path";
import type { CustomerAggregate } from "@ebb/core/customers";
import { make } from "@ebb/functions/model/run-model";
import type { RunModelPorts } from "@ebb/functions/model/run-model-ports";
import type { Run, RunStore } from "@ebb/ports";
import { EmbeddedMetrics } from "@ebb/ports/embedded";
import { EmbeddedCustomerStore } from "@ebb/ports/embedded/customer-store";
import { batchTables } from "@ebb/ports/embedded/batch-manifest";
import { DuckDbJobRunner } from "@ebb/ports/embedded/job-runner";
import { WITHOUT_BROKEN_STATISTICS, defineTables } from "@ebb/ports/embedded/lake-tables";
import { EmbeddedObjectStore } from "@ebb/ports/embedded/object-store";
import { EmbeddedRunStore } from "@ebb/ports/embedded/run-store";
import { EmbeddedScoreStore } from "@ebb/ports/embedded/score-store";
import { EmbeddedWorkflowContext } from "@ebb/ports/embedded/workflow-context";
import { DuckDBInstance } from "@duckdb/node-api";
import { type Taken, timed } from "./taken.ts";

export interface StepTaken extends Taken {
  readonly name: string;
  readonly figures: Readonly<Record<string, number | string>>;
}

export interface RunTaken extends Taken {
  readonly run: Run;
  /** In the order in which they ended; what is between two steps is the later one's. */
  readonly steps: readonly StepTaken[];
}

const KEPT_AT_ONCE = 1_000;

export class ShopRuns {
  readonly #folder: string;
  readonly #runs: EmbeddedRunStore;
  readonly #customers: EmbeddedCustomerStore;
  readonly runner: DuckDbJobRunner;
  readonly #ports: RunModelPorts;
  #ended: (name: string, figures: StepTaken["figures"]) => void = () => undefined;
  #nowMs = 0;

  static async open(folder: string, memoryMb: number): Promise<ShopRuns> {
    const runner = await DuckDbJobRunner.open({
      folder: path.join(folder, "lake"),
      objectsFolder: path.join(folder, "objects"),
      memoryMb,
      now: Date.now,
    });
    return new ShopRuns(folder, runner);
  }

  private constructor(folder: string, runner: DuckDbJobRunner) {
    this.#folder = folder;
    this.runner = runner;
    this.#runs = new EmbeddedRunStore(folder);
    this.#customers = new EmbeddedCustomerStore(folder);
    const store = this.#runs;
    const noted = new Set<string>();
    const runs: RunStore = {
      get: (runId) => store.get(runId),
      list: (limit) => store.list(limit),
      lock: (runId, nowMs, leaseMs) => store.lock(runId, nowMs, leaseMs),
      unlock: (runId) => store.unlock(runId),
      put: async (run) => {
        await store.put(run);
        for (const { name, state, figures } of run.steps)
          if (state === "done" && !noted.has(`${run.runId}/${name}`)) {
            noted.add(`${run.runId}/${name}`);
            this.#ended(name, figures ?? {});
          }
      },
    };
    this.#ports = {
      now: () => this.#nowMs,
      settings: {
        rates: { reportingCurrency: "EUR", rates: {} },
        corsOrigins: [],
        hookSecrets: {},
        allowedProperties: [],
        allowedTraits: [],
      },
      metrics: new EmbeddedMetrics(),
      customers: this.#customers,
      objects: new EmbeddedObjectStore(path.join(folder, "objects")),
      runner,
      arrivals: { missing: async () => 0 },
      runs,
      scores: new EmbeddedScoreStore(folder),
    };
  }

  /** A run as of a day, begun at its midnight. @throws when it fails */
  async run(asOf: string): Promise<RunTaken> {
    this.#nowMs = Date.parse(asOf);
    const steps: StepTaken[] = [];
    let [sinceMs, used] = [performance.now(), process.cpuUsage()];
    this.#ended = (name, figures) => {
      const { user, system } = process.cpuUsage(used);
      steps.push({ name, ms: performance.now() - sinceMs, cpuMs: (user + system) / 1_000, figures });
      [sinceMs, used] = [performance.now(), process.cpuUsage()];
    };
    const context = new EmbeddedWorkflowContext({ runId: asOf, store: this.#runs });
    const { result, ...taken } = await timed(() =>
      make(this.#ports)({ asOf, runId: asOf, startedBy: "command" }, context),
    );
    const run = await this.#runs.get(result.runId);
    if (run?.state !== "succeeded") throw new Error(`the run of ${asOf}: ${run?.reason ?? "no trail"}`);
    return { ...taken, run, steps };
  }

  /** What the score stage would have left in the customer store: of everybody, or of who ordered on a day of arrival. */
  async keepCustomers(memoryMb: number, arrivedOn?: string): Promise<number> {
    const instance = await DuckDBInstance.create(":memory:", {
      memory_limit: `${memoryMb}MB`,
      threads: "2",
      temp_directory: path.join(this.#folder, "spill"),
    });
    const connection = await instance.connect();
    try {
      await connection.run(WITHOUT_BROKEN_STATISTICS);
      await defineTables(connection, path.join(this.#folder, "lake"));
      const some =
        arrivedOn === undefined
          ? ""
          : ` WHERE customer_key IN (SELECT customer_key FROM raw_events WHERE dt = '${arrivedOn}')`;
      const result = await connection.stream(
        `SELECT customer_key, orders, gross_minor, refund_minor, epoch_ms(first_order_at), epoch_ms(last_order_at)
         FROM customer_rfm${some}`,
      );
      let kept = 0;
      let pending: CustomerAggregate[] = [];
      const write = async (): Promise<void> => {
        const requests = pending.map(({ customerKey }) => ({ customerKey, orderKeys: [] }));
        const known = await this.#customers.read(requests);
        await this.#customers.write(
          pending.map((customer) => ({
            customer: { ...customer, version: (known.get(customer.customerKey)?.customer?.version ?? 0) + 1 },
            orders: [],
          })),
        );
        kept += pending.length;
        pending = [];
      };
      for (;;) {
        const chunk = await result.fetchChunk();
        if (chunk === null || chunk.rowCount === 0) break;
        for (const [key, orders, gross, refund, first, last] of chunk.getRows()) {
          pending.push({
            customerKey: key as CustomerAggregate["customerKey"],
            version: 0,
            orders: Number(orders),
            grossMinor: Number(gross),
            refundMinor: Number(refund),
            ...(first === null ? {} : { firstOrderAtMs: Number(first) }),
            ...(last === null ? {} : { lastOrderAtMs: Number(last) }),
            months: {},
          });
          if (pending.length === KEPT_AT_ONCE) await write();
        }
      }
      if (pending.length > 0) await write();
      return kept;
    } finally {
      connection.closeSync();
      instance.closeSync();
    }
  }

  /** Of the tables as they stand: the most files that a partition has, and how many there are in all. */
  files(): { readonly ofPartition: number; readonly all: number } {
    const counts = new Map<string, number>();
    for (const { files } of batchTables(path.join(this.#folder, "lake")))
      for (const file of files) counts.set(path.dirname(file), (counts.get(path.dirname(file)) ?? 0) + 1);
    return { ofPartition: Math.max(...counts.values()), all: [...counts.values()].reduce((all, one) => all + one, 0) };
  }

  async close(): Promise<void> {
    await this.runner.close();
    this.#runs.close();
  }
}
