/**
 * Trino 435, the last that runs on Java 17: its server from Maven Central (io.trino:trino-main, a tenth of the size of the
 * distribution) with the memory connector. Tables are copied into it out of the Parquet files; its own reader of Parquet
 * takes no part.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { trino } from "@ebb/lake/dialect";
import { mavenJars } from "../support/maven-jars.ts";
import type { Engine } from "./engine.ts";
import { trinoClient } from "./trino-client.ts";
import { copyIntoTrino } from "./trino-load.ts";

export const TRINO_VERSION = "435";

const firstLine = (stream: NodeJS.ReadableStream): Promise<string | undefined> =>
  new Promise((resolve) => {
    const lines = createInterface({ input: stream });
    lines.once("line", resolve);
    lines.once("close", () => resolve(undefined));
  });

export const trinoJars = (): Promise<string> =>
  mavenJars(
    "trino",
    [`io.trino:trino-main:${TRINO_VERSION}`, `io.trino:trino-memory:${TRINO_VERSION}`],
    "90 MB, a minute",
  );

export const startTrino = async (): Promise<Engine> => {
  const jars = await trinoJars();
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-trino-"));
  const java = process.env["JAVA_HOME"] === undefined ? "java" : path.join(process.env["JAVA_HOME"], "bin/java");
  const options = [
    "-Xmx1400m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    // With one tier the JVM reserves 48 MB, and the expressions of all batch tables, compiled, did not fit.
    "-XX:ReservedCodeCacheSize=256m",
    `-Djava.io.tmpdir=${folder}`,
  ];
  const source = path.join(import.meta.dirname, "TrinoServer.java");
  const child = spawn(java, [...options, "-cp", `${jars}/*`, source], {
    cwd: folder,
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], LANG: "C.UTF-8", TZ: "America/New_York" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  child.stderr.on("data", (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4_000)));
  const kill = () => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", kill);
  const address = await firstLine(child.stdout);
  if (address === undefined) throw new Error(`Trino ${TRINO_VERSION} needs Java 17 and did not start:\n${output}`);
  // It does not keep this process alive; requests do.
  for (const handle of [child, child.stdin, child.stdout, child.stderr] as unknown as { unref(): void }[])
    handle.unref();

  const client = trinoClient(address);
  const names = async (sql: string): Promise<string[]> => (await client.rows(sql)).rows.map(([name]) => name as string);
  return {
    kill,
    title: `Trino ${TRINO_VERSION}`,
    dialect: trino,
    load: (table, parquet) => copyIntoTrino(client, table, parquet),
    async define(name, kind, sql) {
      await client.rows(`CREATE ${kind} ${name} AS ${sql}`);
    },
    rows: (sql) => client.rows(sql),
    async clear() {
      const of = (type: string) =>
        names(
          `SELECT table_name FROM information_schema.tables WHERE table_schema = 'default' AND table_type = '${type}'`,
        );
      for (const name of await of("VIEW")) await client.rows(`DROP VIEW ${name}`);
      for (const name of await of("BASE TABLE")) await client.rows(`DROP TABLE ${name}`);
    },
    async stop() {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.ref();
      child.stdin.end();
      await gone;
      process.off("exit", kill);
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
