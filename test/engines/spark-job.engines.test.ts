/**
 * The Spark job as EMR Serverless starts it: the job runner of the AWS home, the SDK's own client, spark-submit with the
 * runner's entry point, arguments and parameters, Parquet in the lake's layout in, Iceberg tables out. DuckDB, over the
 * same files, says what must be in them. A start of Spark takes longer than all it does here: three jobs a line.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { CutPoints } from "@ebb/core/rfm";
import type { BatchTable } from "@ebb/lake/batch-table";
import { batchTables } from "@ebb/lake/batch/batch-tables";
import { curatedOrderEvents } from "@ebb/lake/batch/curated";
import { customerLabels } from "@ebb/lake/batch/customer-labels";
import { makeHistory } from "@ebb/lake/batch/history";
import { write } from "@ebb/lake/batch/testing";
import { SCORED_CUSTOMERS, customerScores, scoredCustomerColumns } from "@ebb/lake/model/customer-scores";
import { rowsOf } from "@ebb/lake/testing";
import type { BatchJob, JobState } from "@ebb/ports/batch-ports";
import { sparkDocument } from "@ebb/ports/aws/job-document";
import { type SparkJobs, startSparkJobs } from "./spark-job.ts";

const cutoff = "2024-07-01T00:00:00.000Z";
const cutPoints: CutPoints = {
  version: "1",
  recencyAtMs: [Date.UTC(2024, 1), Date.UTC(2024, 3), Date.UTC(2024, 4), Date.UTC(2024, 5)],
  frequency: [1, 2, 3, 5],
  monetaryMinor: [0, 2_500, 10_000, 100_000],
};

/** Curated tables, labels, and all that `customer_scores` comes from. */
const written: ReadonlySet<string> = new Set([
  "curated_order_events",
  "curated_activity",
  "repeated_orders",
  "order_facts",
  "customer_labels",
  "rfm_base",
  "customer_segments",
]);

/** What a run knows of customers besides its tables, in two objects: of every second one all, of every third little. */
const scored = [0, 1].map((part) =>
  Array.from({ length: 30 }, (_, at) => 30 * part + at).flatMap((number) => {
    const customer_key = `cus_11_${number}`;
    if (number % 2 === 0)
      return [
        {
          customer_key,
          // No column of what is imported, so it is passed over.
          segment: "Elsewhere",
          cluster: 'Über "alle", it\'s\n\\ far',
          expected_value_minor: 9_007_199_254_740_991 - number,
          value_if_active_minor: 100 * number,
          probability_active: 1e-17 * number,
        },
      ];
    return number % 3 === 0 ? [{ customer_key, cluster: "" }] : [];
  }),
);

for (const line of ["3.5", "4.1"] as const)
  describe(`the Spark job on Spark ${line}`, { concurrency: 1 }, () => {
    let jobs: SparkJobs;
    before(async () => {
      jobs = await startSparkJobs(line);
    });
    after(() => jobs.stop());

    const firstJob: BatchJob = {
      name: "curate-labels-and-scores",
      writes: [
        // Each reads what those before it wrote; all on Spark, whatever engine is theirs.
        ...batchTables
          .filter(({ name }) => written.has(name))
          .map((table) => ({
            table: { ...table, engine: "spark" as const },
            parameters: { cutoff, horizonDays: 90, documents: { cutPoints } },
          })),
        // And this one what the run has made itself.
        { table: customerScores, parameters: { cutoff } },
      ],
      imports: [
        {
          name: SCORED_CUSTOMERS,
          columns: scoredCustomerColumns,
          objectKeys: [0, 1].map((part) => `exports/run/${SCORED_CUSTOMERS}-${part}.jsonl`),
        },
      ],
      exports: [
        {
          name: "orders",
          sql: () =>
            "SELECT customer_key, occurred_at, reporting_minor, units, full_refund FROM curated_order_events ORDER BY event_id",
        },
      ],
    };
    let secondId: string;
    let firstState: JobState & { state: "succeeded" };

    it("writes the tables that DuckDB writes from the same files, one file a partition", async () => {
      const { runner, oracle, give, land, finished, sameRows, values, stored } = jobs;
      await land(makeHistory({ seed: 11, customers: 60 }), "2026-01-01");
      const keys = await give(SCORED_CUSTOMERS, scoredCustomerColumns, scored);
      assert.deepEqual(keys, firstJob.imports![0]!.objectKeys);
      for (const { table, parameters: given } of firstJob.writes) await write(oracle, table, given);
      const state = await finished(await runner.start(firstJob, "run-1"));
      assert.equal(state.state, "succeeded", JSON.stringify(state));
      firstState = state;
      for (const { table } of firstJob.writes) {
        await sameRows(table);
        const counted = await rowsOf(oracle, `SELECT count(*) AS n FROM ${table.name}`);
        assert.equal(state.written[table.name]?.rows, counted[0]!["n"], table.name);
      }
      const [months] = await rowsOf(oracle, "SELECT count(DISTINCT month) AS n FROM curated_order_events");
      assert.equal(state.written["curated_order_events"]?.files, months!["n"]);
      assert.ok(state.usage!["tasks"]! > 0 && state.usage!["vcpuHours"] === 0.5);
      const format = await values(`SHOW TBLPROPERTIES ${stored("curated_order_events")} ('format-version')`);
      assert.deepEqual(format, [["format-version", "2"]]);
    });

    it("exports columns as Parquet that the home reads back: numbers, NULL as NaN, the rest as text", async () => {
      const { runner, oracle } = jobs;
      const names = ["customer_key", "occurred_at", "reporting_minor", "units", "full_refund"];
      const columns = await runner.readColumns(firstState.exports["orders"]!, names);
      const rows = await rowsOf(oracle, `SELECT ${names.join(", ")} FROM curated_order_events ORDER BY event_id`);
      for (const name of names)
        assert.deepEqual(
          [...columns[name]!],
          rows.map((row) => {
            const value = row[name];
            if (name === "reporting_minor" || name === "units") return value === null ? NaN : Number(value);
            return value === null ? undefined : `${value as string | boolean}`;
          }),
          name,
        );
    });

    it("starts nothing for a token that it knows", async () => {
      const { runner, emr, finished } = jobs;
      const before = emr.jobs.length;
      assert.deepEqual(await finished(await runner.start(firstJob, "run-1")), firstState);
      assert.equal(emr.jobs.length, before);
    });

    it("replaces the months that it is given in one commit and no other file; wrong SQL after it ends the job with a reason", async () => {
      const { runner, emr, oracle, land, finished, sameRows, snapshots, values, stored } = jobs;
      const late = makeHistory({ seed: 12, customers: 10 }).filter(({ occurred_at: at }) => at.startsWith("2024-03"));
      await land(late, "2026-02-01");
      const given = { months: ["2024-03"] };
      await write(oracle, curatedOrderEvents, given);
      const filesBut = `SELECT file_path FROM ${stored("curated_order_events")}.files WHERE partition.month <> '2024-03'`;
      const filesOf = `SELECT file_path FROM ${stored("curated_order_events")}.files WHERE partition.month = '2024-03'`;
      const [others, commits] = [await values(filesBut), await snapshots("curated_order_events")];
      const broken: BatchTable = { ...customerLabels, name: "broken", sql: () => "SELECT nothing FROM nowhere" };
      secondId = await runner.start(
        {
          name: "curate",
          writes: [
            { table: curatedOrderEvents, parameters: given },
            { table: broken, parameters: { cutoff } },
          ],
        },
        "run-2",
      );
      const state = await finished(secondId);
      assert.equal(state.state, "failed");
      assert.match(state.reason, /nowhere/);
      assert.equal(state.mayRetry, false);
      assert.equal(emr.jobs.at(-1)!.state, "FAILED");
      await sameRows(curatedOrderEvents);
      assert.deepEqual((await values(filesBut)).sort(), others.sort());
      assert.equal((await values(filesOf)).length, 1);
      assert.equal(await snapshots("curated_order_events"), commits + 1);
    });

    it("started again, passes over what it had written; merges by key, deletes erased customers, and no file holds them", async () => {
      const { oracle, submit, documentOf, dataFiles, snapshots, values, stored } = jobs;
      const table = "curated_order_events";
      const rows = `SELECT event_id, country, customer_key FROM ${stored(table)}`;
      const before = await values(rows);
      const victim = before.find(([, , customer]) => customer !== null)![2];
      const [changed, copied] = before.filter(([, , customer]) => customer !== victim).map(([id]) => id);
      const holders = async (): Promise<unknown> => {
        const files = dataFiles(table).map((file) => `'${file}'`);
        const from = `read_parquet([${files.join(", ")}], union_by_name = true)`;
        const [found] = await rowsOf(
          oracle,
          `SELECT count(*) AS n FROM ${from} WHERE customer_key = '${String(victim)}'`,
        );
        return found!["n"];
      };
      assert.notEqual(await holders(), 0);

      // A row that is there gets another country, and one is new.
      const columns = Object.keys(curatedOrderEvents.columns);
      const instead = (column: string, value: string, of: unknown): string =>
        `SELECT ${columns.map((name) => (name === column ? `'${value}' AS ${name}` : name)).join(", ")} FROM ${table} WHERE event_id = '${String(of)}'`;
      const { token, writes } = documentOf(secondId);
      const [replaced] = writes;
      const { replace: _, ...known } = replaced!;
      const result = await submit(
        "upkeep",
        sparkDocument("upkeep", token, {
          writes: [
            // Its commit carries the token: the SQL must not run again.
            { ...replaced!, sql: "SELECT nothing FROM nowhere" },
            {
              ...known,
              mode: "merge",
              sql: `${instead("country", "Nowhere", changed)} UNION ALL ${instead("event_id", "evt_new", copied)}`,
            },
          ],
          erase: [{ table, column: "customer_key", keys: [String(victim)] }],
          upkeep: [{ table, expireBefore: new Date(Date.now() + 3_600_000).toISOString() }],
        }),
      );
      assert.equal(result.state, "succeeded", JSON.stringify(result));
      const expected = before
        .filter(([, , customer]) => customer !== victim)
        .flatMap(([id, country, customer]) => [
          [id, id === changed ? "Nowhere" : country, customer],
          ...(id === copied ? [["evt_new", country, customer]] : []),
        ]);
      const sorted = (all: unknown[][]): string[] => all.map((row) => row.join("|")).sort();
      assert.deepEqual(sorted(await values(rows)), sorted(expected));
      assert.equal(await holders(), 0);
      assert.equal(await snapshots(table), 1);
    });
  });
