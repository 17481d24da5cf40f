import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fitModel } from "@ebb/core/churn/fit-model";
import { columnsOf, featureNames, modelFeatures } from "@ebb/functions/model/model-features";
import { features } from "@ebb/lake/batch/features";
import { scoreSql, scoresAndDriversSql } from "@ebb/lake/model/score-sql";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { type Bench, megabytes } from "./result.ts";
import { type Taken, both, timed } from "./taken.ts";
import { statSync } from "node:fs";

const TARGET = 2;
const FITTED_ROWS = 20_000;

/** A number in [0, 1) of a row and a column. */
const chance = (column: number): string => `(hash(number * 1009 + ${column}) % 1000003) / 1000003.0`;

const featureSql = ({ name, type }: (typeof features)[number], column: number): string => {
  if (type === "string")
    return `['DE', 'GB', 'FR', 'NL', 'ES', 'IT', NULL][1 + CAST(hash(number + ${column}) % 7 AS BIGINT)] AS ${name}`;
  const drawn = `-ln(1 - ${chance(column)}) * ${name.endsWith("_minor") ? 5_000 : 20}`;
  if (type === "bigint") return `CAST(floor(${drawn}) AS BIGINT) AS ${name}`;
  return `CASE WHEN ${chance(column + 500)} < 0.8 THEN ${drawn} END AS ${name}`;
};

const featuresSql = (customers: number): string => `
SELECT 'cus_' || md5('c' || number) AS customer_key, ${features.map(featureSql).join(", ")}
FROM range(${customers}) AS generated (number)`;

/** Scoring in SQL against reading the features that it stands on. */
export const score: Bench = async ({ quick }) => {
  const customers = quick ? 50_000 : 1_000_000;
  const folder = await mkdtemp(path.join(tmpdir(), "ebb-bench-score-"));
  const instance = await DuckDBInstance.create(":memory:", {
    memory_limit: "4096MB",
    threads: "2",
    temp_directory: path.join(folder, "spill"),
  });
  try {
    const connection = await instance.connect();
    const file = path.join(folder, "features.parquet");
    await connection.run(
      `COPY (${featuresSql(customers)}) TO '${file}' (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 32768)`,
    );
    const from = `read_parquet('${file}')`;
    const model = await modelOn(connection, from);
    const read = await median(
      connection,
      `SELECT ${featureNames.map((name) => `max(${name})`).join(", ")}, max(customer_key) FROM ${from}`,
    );
    const copied = await median(connection, `CREATE OR REPLACE TEMP TABLE copied AS SELECT * FROM ${from}`);
    await connection.run("DROP TABLE copied");
    const scored = await median(connection, `CREATE OR REPLACE TEMP TABLE scored AS ${scoreSql(model, { from })}`);
    const withDrivers = await median(
      connection,
      `CREATE OR REPLACE TEMP TABLE scored AS ${scoresAndDriversSql(model, { from })}`,
    );
    const ratio = scored.ms / read.ms;
    connection.closeSync();
    return {
      name: "score",
      title: "Scoring customers in SQL",
      method:
        `${customers.toLocaleString("en")} made customers with ${featureNames.length} features in a Parquet file of ` +
        `${megabytes(statSync(file).size)}, a model of ${model.terms.length} terms; DuckDB with two threads, the median of five. ` +
        "Scores are probability, decision and decile of everybody, kept in a table. The floor reads the same columns and " +
        "takes the largest value of each; beside it what it takes to keep them in a table as they are.",
      figures: [
        { what: "reading the features", value: both(read) },
        { what: "reading them into a table", value: both(copied) },
        { what: "scores", value: both(scored) },
        { what: "scores with their drivers", value: both(withDrivers) },
        { what: "CPU, scores ÷ reading", value: (scored.cpuMs / read.cpuMs).toFixed(2) },
        { what: "CPU, scores ÷ reading into a table", value: (scored.cpuMs / copied.cpuMs).toFixed(2) },
        { what: "scores ÷ reading", value: ratio.toFixed(2) },
      ],
      target: { what: `at most ${TARGET} times reading the features`, met: ratio <= TARGET },
    };
  } finally {
    instance.closeSync();
    await rm(folder, { recursive: true, force: true });
  }
};

/** A model of all features, on the first customers, with labels that depend on some of them. */
const modelOn = async (connection: DuckDBConnection, from: string) => {
  const reader = await connection.runAndReadAll(
    `SELECT customer_key, ${featureNames.join(", ")} FROM ${from} LIMIT ${FITTED_ROWS}`,
  );
  const rows = reader.getRows();
  const exported = Object.fromEntries(
    reader
      .columnNames()
      .map((name, index) => [
        name,
        name === "customer_key" || name === "country"
          ? rows.map((row) => (row[index] as string | null) ?? undefined)
          : Float64Array.from(rows, (row) => (row[index] === null ? NaN : Number(row[index]))),
      ]),
  );
  const recency = exported["recency_days"] as Float64Array;
  const labels = Uint8Array.from(recency, (days, row) => (days + ((row * 7919) % 40) > 35 ? 1 : 0));
  const customers = exported["customer_key"] as string[];
  const fitted = fitModel(
    modelFeatures,
    { columns: columnsOf(exported), labels, customers, cutoffs: ["2026-01-01"] },
    undefined,
    { modelId: "bench", horizonDays: 90, l2: 1, threshold: 0.5 },
  );
  if (fitted.kind === "refused")
    throw new Error(`the model was refused: ${fitted.reason} ${fitted.columns.join(", ")}`);
  return fitted.model;
};

const median = async (connection: DuckDBConnection, sql: string): Promise<Taken> => {
  const times: Taken[] = [];
  for (let turn = 0; turn < 5; turn++) times.push(await timed(() => connection.run(sql)));
  return times.sort((a, b) => a.ms - b.ms)[2]!;
};
