/** Every table of a batch run, on every engine: the same rows of edge cases and of real customers. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";
import type { StreamEvent } from "@ebb/core/stream-event";
import { batchTables } from "@ebb/lake/batch/batch-tables";
import { makeHistory } from "@ebb/lake/batch/history";
import { changedOrderMonths, orderFacts } from "@ebb/lake/batch/order-facts";
import { promisesSql } from "@ebb/lake/batch/promises";
import { customerSegments } from "@ebb/lake/batch/rfm";
import { productSalesDaily } from "@ebb/lake/batch/sales-marts";
import { toldSamples, toldSelects } from "@ebb/lake/batch/told-samples";
import { type BatchParameters, type BatchTable, renderBatch } from "@ebb/lake/batch-table";
import { duckdbType } from "@ebb/lake/columns";
import { churnScores } from "@ebb/lake/model/churn-scores";
import { SCORED_CUSTOMERS, customerScores, scoredCustomerColumns } from "@ebb/lake/model/customer-scores";
import { plainModel } from "@ebb/lake/model/testing";
import { lakeOf } from "@ebb/lake/testing";
import { type Dialect, duckdb } from "@ebb/lake/dialect";
import { martQueries } from "./mart-queries.ts";
import { writeParquet } from "./parquet.ts";
import { type ProofQuery, type ProofTable, proveOnEveryEngine } from "./prove.ts";
import { later, publicEvents } from "./public-events.ts";
import { readsItself, renderAfter } from "./tables-before.ts";
import { missing } from "../uploads/online-retail-file.ts";

const folder = mkdtempSync(path.join(tmpdir(), "ebb-batch-engines-"));
after(() => rmSync(folder, { recursive: true }));

const parameters: BatchParameters = {
  cutoff: "2024-09-01T00:00:00.000Z",
  horizonDays: 90,
  documents: {
    told: toldSamples,
    traits: ["loyalty"],
    model: plainModel,
    cutPoints: {
      version: "test's own",
      recencyAtMs: [Date.UTC(2024, 1), Date.UTC(2024, 3), Date.UTC(2024, 5), Date.UTC(2024, 7)],
      frequency: [1, 2, 3, 5],
      monetaryMinor: [0, 2_500, 10_000, 100_000],
    },
  },
};

/** Generated edge cases: see `makeHistory`. Every fourth event lands twice. */
const events = makeHistory({ seed: 20_261_122, customers: 120 });
/** Some customers of the public files, whose last day becomes one after the cutoff. */
const realCustomers = async (): Promise<StreamEvent[]> => {
  const lastDay = Date.UTC(2024, 10, 20);
  const found: StreamEvent[] = [];
  for (const { endedAt, ...file } of [
    { file: "online_retail.csv.gz", query: { currency: "GBP" }, keys: /0[0-3]$/, endedAt: Date.UTC(2011, 11, 9) },
    { file: "cdnow_master.txt.gz", query: {}, keys: /00[0-9]$/, endedAt: Date.UTC(1998, 5, 30) },
  ])
    if (missing(file.file) === false) found.push(...later(await publicEvents(file), lastDay - endedAt));
  return found;
};
const rawEvents = async (): Promise<ProofTable> => {
  const lake = await lakeOf(
    [...events, ...(await realCustomers())].flatMap((event, index) =>
      index % 4 === 0
        ? [event, { ...event, received_at: "2026-01-01T00:00:00.000Z", receipt_id: "rcp_again" }]
        : [event],
    ),
  );
  const file = path.join(folder, "raw_events.parquet");
  await lake.run(`COPY raw_events TO '${file}' (FORMAT parquet)`);
  return { parquet: file };
};

const erased = "cus_20261122_3";
/** What a run after a few days writes of the tables of orders. */
const changes = { arrivedSince: "2026-01-02", cutoffs: ["2024-08-20T00:00:00.000Z", parameters.cutoff!] } as const;
const months = ["2024-02", "2024-08"];

/** The run before: other cut points, so that customers move between segments. */
const earlier: BatchParameters = {
  cutoff: "2024-06-01T00:00:00.000Z",
  documents: { cutPoints: { ...parameters.documents!["cutPoints"]!, frequency: [0, 1, 2, 3] } },
};

/** What a run computes outside SQL, of some customers all, of some little, of some nothing. */
const scoredCustomers = async (): Promise<ProofTable> => {
  const file = path.join(folder, "scored_customers.parquet");
  const types = Object.entries(scoredCustomerColumns).map(
    ([name, type]) => `CAST(${name} AS ${duckdbType({ type })}) AS ${name}`,
  );
  const nothing = Object.keys(scoredCustomerColumns).map((name) => `NULL AS ${name}`);
  await writeParquet(
    file,
    `SELECT ${types.join(", ")} FROM (
       SELECT ${nothing.join(", ")} WHERE false
       UNION ALL BY NAME
       SELECT
         'cus_20261122_' || n AS customer_key, 'Cluster ' || n % 3 AS cluster,
         n * 1001 AS expected_value_minor, CASE WHEN n % 7 > 0 THEN n * 2002 END AS value_if_active_minor,
         n / 121.0 AS probability_active
       FROM range(120) AS numbers (n) WHERE n % 5 > 0)`,
  );
  return { parquet: file };
};

/** Customers with posts and with visits. */
const customers = ["social_mentioned", "product_viewed"].flatMap((kind) =>
  [...new Set(events.filter((event) => event.kind === kind).map((event) => event.customer_key))]
    .filter((key) => key !== undefined && key !== erased)
    .slice(0, 2),
) as string[];
const asked = { from: "2024-01-15", to: "2024-08-20", country: "DE", segment: "Champions" };
const questions = Object.entries(
  martQueries(
    { ...asked, asOf: parameters.cutoff!.slice(0, 10), customers },
    {
      "orders of": 0,
      "visits of customer 0": 0,
      "visits of customer 1": 0,
      "posts of customer 2": 0,
      "posts of customer 3": 0,
      second: 0,
      scores: 0,
      those: 0,
    },
  ),
).filter(([name]) => /of customer|segments|movements/.test(name));

/** A table that reads what it held before: a run whose sources said another thing of some, then this one. */
const found = (table: BatchTable): [string, ProofTable][] => {
  const [before, now] = [`${table.name}_before`, `${table.name}_now`];
  const nothing = (dialect: Dialect): string =>
    Object.entries(table.columns)
      .map(([name, { type }]) =>
        type === "timestamp"
          ? `TIMESTAMP '2024-01-01 00:00:00.000' AS ${name}`
          : `CAST('x' AS ${dialect.name === "spark" ? "string" : "varchar"}) AS ${name}`,
      )
      .join(", ");
  return [
    [`${table.name}_first`, { table: (dialect) => `SELECT ${nothing(dialect)}` }],
    [
      before,
      {
        table: (dialect) =>
          renderAfter(
            table,
            dialect,
            { cutoff: "2024-06-01T00:00:00.000Z", documents: { told: toldSamples.slice(0, 1) } },
            `${table.name}_first`,
          ),
      },
    ],
    [now, { table: (dialect) => renderAfter(table, dialect, parameters, before) }],
    [table.name, { table: () => `SELECT * FROM ${before} UNION ALL SELECT * FROM ${now}` }],
  ];
};

const tables = [...batchTables, churnScores, customerScores];
proveOnEveryEngine({
  title: "batch tables on generated histories and on customers of the public files",
  tables: async () => ({
    raw_events: await rawEvents(),
    erased_customers: { table: () => `SELECT '${erased}' AS customer_key` },
    [SCORED_CUSTOMERS]: await scoredCustomers(),
    ...Object.fromEntries(
      Object.keys(toldSelects(duckdb)).map((name): [string, ProofTable] => [
        name,
        { table: (dialect) => toldSelects(dialect)[name]! },
      ]),
    ),
    ...Object.fromEntries(
      tables.flatMap((table): [string, ProofTable][] => {
        const of = (given: BatchParameters): ProofTable => ({ table: (dialect) => renderBatch(table, dialect, given) });
        if (readsItself(table)) return found(table);
        if (table !== customerSegments) return [[table.name, of(parameters)]];
        return [
          ["segments_earlier", of(earlier)],
          ["segments_now", of(parameters)],
          [table.name, { table: () => "SELECT * FROM segments_earlier UNION ALL SELECT * FROM segments_now" }],
        ];
      }),
    ),
  }),
  queries: Object.fromEntries([
    ...tables.map((table): [string, ProofQuery] => [
      table.name,
      { sql: () => `SELECT * FROM ${table.name}`, key: table.key },
    ]),
    ...tables.flatMap((table): [string, ProofQuery][] => {
      const sql = promisesSql({ table }, tables);
      return sql === undefined
        ? []
        : [
            [
              `promises of ${table.name}`,
              { sql: () => `SELECT * FROM (${sql}) AS counts WHERE breaking > 0`, atLeast: 0, expected: [] },
            ],
          ];
    }),
    ...tables.flatMap(({ name, monthsSql }): [string, ProofQuery][] =>
      monthsSql === undefined ? [] : [[`months of ${name}`, { sql: monthsSql, key: ["month"], atLeast: 3 }]],
    ),
    ["months of changed orders", { sql: (dialect) => changedOrderMonths(dialect, changes), key: ["month"] }],
    ...[orderFacts, productSalesDaily].map((table): [string, ProofQuery] => [
      `${table.name} of some months`,
      {
        sql: (dialect) => `SELECT * FROM (${renderBatch(table, dialect, { ...parameters, months })}) AS rendered`,
        key: table.key,
      },
    ]),
    ...questions,
  ]),
});
