/** Spark by pyspark from PyPI, local mode: one long-lived Python process with its JVM, spoken to by lines of JSON. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { spark, sparkSettings } from "@ebb/lake/dialect";
import { type PythonEnvironment, pythonEnvironment } from "../support/python-environment.ts";
import { type Engine, type Rows, type Shape, plainOf } from "./engine.ts";

/** EMR 7 runs the 3.5 line on Scala 2.12; EMR Spark 8.1, supported to 2029, runs 4.1.1. */
export const sparkVersions = { "3.5": "3.5.9", "4.1": "4.1.1" } as const;
export type SparkLine = keyof typeof sparkVersions;

type SparkType =
  | string
  | { readonly type: "array"; readonly elementType: SparkType }
  | { readonly type: "struct"; readonly fields: readonly { readonly name: string; readonly type: SparkType }[] };

const scalars: Readonly<Record<string, Shape>> = {
  byte: "integer",
  short: "integer",
  integer: "integer",
  long: "integer",
  float: "double",
  double: "double",
  string: "text",
  boolean: "boolean",
  date: "date",
  timestamp: "timestamp",
};

const shapeOf = (type: SparkType): Shape => {
  if (typeof type !== "string")
    return type.type === "array"
      ? { list: shapeOf(type.elementType) }
      : { struct: type.fields.map((field) => ({ name: field.name, shape: shapeOf(field.type) })) };
  const shape = type.startsWith("decimal") ? "decimal" : scalars[type];
  if (shape === undefined) throw new TypeError(`Spark gave a column of type ${type}`);
  return shape;
};

const program = path.join(import.meta.dirname, "spark_session.py");

/** Short statements and jobs: the first compiler and the serial collector leave the cores to the work. @param folder for Derby */
export const sparkJavaOptions = (folder: string): string =>
  [
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    // With one tier the JVM reserves 48 MB; once those are full it compiles nothing more, and half as fast is all that follows.
    "-XX:ReservedCodeCacheSize=256m",
    `-Dderby.system.home=${folder}`,
  ].join(" ");

/** Requests to a process go one after the other; it does not keep this process alive when nothing is asked. */
const conversation = (child: ChildProcess, output: () => string) => {
  const lines = createInterface({ input: child.stdout! });
  const waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  const held = [child, child.stdin, child.stdout, child.stderr] as unknown as { ref(): void; unref(): void }[];
  lines.on("line", (line) => waiting.shift()?.resolve(line));
  child.once("exit", (code) => {
    for (const { reject } of waiting.splice(0)) reject(new Error(`Spark has ended (${String(code)}):\n${output()}`));
  });
  let last: Promise<unknown> = Promise.resolve();
  const exchange = async <Answer>(request: object | undefined): Promise<Answer> => {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`Spark has ended:\n${output()}`);
    for (const handle of held) handle.ref();
    const line = await new Promise<string>((resolve, reject) => {
      waiting.push({ resolve, reject });
      if (request !== undefined) child.stdin!.write(`${JSON.stringify(request)}\n`);
    });
    for (const handle of held) handle.unref();
    const answer = JSON.parse(line) as { error?: string; answer?: unknown };
    if (answer.error !== undefined) throw new Error(answer.error);
    return (request === undefined ? answer : answer.answer) as Answer;
  };
  /** Sends a request, or only listens when there is none. */
  return <Answer>(request?: object): Promise<Answer> => {
    const next = last.catch(() => undefined).then(() => exchange<Answer>(request));
    last = next;
    return next;
  };
};

export interface SparkSession {
  readonly engine: Engine;
  /** Runs a statement that gives no rows, such as DDL and DML. */
  run(sql: string): Promise<void>;
}

export const sparkEnvironment = (line: SparkLine): Promise<PythonEnvironment> =>
  pythonEnvironment({
    name: `spark-${line}`,
    packages: [`pyspark==${sparkVersions[line]}`],
    cost: line === "3.5" ? "318 MB, half a minute" : "435 MB, a minute",
  });

/** @param settings more of Spark's settings, such as catalogues and jars */
export const startSparkSession = async (
  line: SparkLine,
  settings: Readonly<Record<string, string>> = {},
): Promise<SparkSession> => {
  const { python } = await sparkEnvironment(line);
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-spark-"));
  const child = spawn(
    python,
    [
      program,
      JSON.stringify({
        "spark.ui.enabled": "false",
        // With 1,500 MB Spark 4.1 gives up at the plan of feature_quality.
        "spark.driver.memory": "3g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": sparkJavaOptions(folder),
        "spark.local.dir": folder,
        "spark.sql.warehouse.dir": path.join(folder, "warehouse"),
        // Two cores, small tables: the default of 200 is all overhead.
        "spark.sql.shuffle.partitions": "2",
        // The one line plans a statement once, the other again after every stage, as EMR does: both must give the same rows.
        "spark.sql.adaptive.enabled": String(line === "4.1"),
        ...sparkSettings,
        ...settings,
      }),
    ],
    {
      cwd: folder,
      env: {
        PATH: process.env["PATH"],
        HOME: process.env["HOME"],
        LANG: "C.UTF-8",
        TZ: "America/New_York",
        ...(process.env["JAVA_HOME"] !== undefined && { JAVA_HOME: process.env["JAVA_HOME"] }),
        PYSPARK_PYTHON: python,
        PYSPARK_DRIVER_PYTHON: python,
        SPARK_LOCAL_IP: "127.0.0.1",
      },
      stdio: ["pipe", "pipe", "pipe"],
    },
  );
  let output = "";
  child.stderr.on("data", (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4_000)));
  // The JVM ends with its Python process, and both with this one.
  const kill = () => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", kill);
  const ask = conversation(child, () => output);
  const { version } = await ask<{ version: string }>();

  const named = new Set<string>();
  const tables = new Set<string>();
  const read = async (sql: string): Promise<Rows> => {
    const { fields, lines } = await ask<{ fields: { name: string; type: SparkType }[]; lines: string[] }>({
      rows: sql,
    });
    const columns = fields.map(({ name, type }) => ({ name, shape: shapeOf(type) }));
    const rows = lines.map((line) => {
      const row = JSON.parse(line) as Record<string, unknown>;
      return columns.map(({ name, shape }) => plainOf(shape, row[name]));
    });
    return { columns, rows };
  };

  return {
    run: (sql) => ask({ run: sql }),
    engine: {
      kill,
      title: `Spark ${version}`,
      dialect: spark,
      async load(table, parquet) {
        await ask({ load: table, parquet });
        named.add(table);
      },
      async define(name, kind, sql) {
        // A view that is cached is still analysed, with every view below it, wherever it is named: a chain of them takes hours.
        if (kind === "table") {
          await ask({ run: `CREATE TABLE ${name} USING parquet AS ${sql}` });
          tables.add(name);
        } else {
          await ask({ run: `CREATE OR REPLACE TEMPORARY VIEW ${name} AS ${sql}` });
          named.add(name);
        }
      },
      rows: read,
      async clear() {
        await ask({ clear: [...named] });
        named.clear();
        for (const name of tables) await ask({ run: `DROP TABLE ${name}` });
        tables.clear();
      },
      async stop() {
        const gone = new Promise((resolve) => child.once("exit", resolve));
        child.ref();
        child.stdin.end();
        await gone;
        process.off("exit", kill);
        rmSync(folder, { recursive: true, force: true });
      },
    },
  };
};

export const startSpark = async (line: SparkLine): Promise<Engine> => (await startSparkSession(line)).engine;
