/** A lake whose tables a test has filled, behind the real query engine, with a run that has succeeded. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { BatchTable } from "@ebb/lake/batch-table";
import { textLiteral } from "@ebb/lake/batch/literals";
import { DuckDbJobRunner } from "@ebb/ports/embedded/job-runner";
import { DuckDbQueryEngine } from "@ebb/ports/embedded/query-engine";
import { EmbeddedRunStore } from "@ebb/ports/embedded/run-store";
import type { HttpHandler } from "@ebb/functions/runtime/http";
import { type Answer, send } from "./http-event.ts";
import { READ_KEY, memoryPorts } from "./memory-ports.ts";

export type Row = Readonly<Record<string, string | number | boolean | null>>;

const literal = (value: string | number | boolean | null | undefined): string =>
  value === null || value === undefined ? "NULL" : typeof value === "string" ? textLiteral(value) : String(value);

/** The partition that a row's own time puts it into. */
const monthOf = (row: Row): string | undefined =>
  (row["effect_at"] ?? row["occurred_at"] ?? undefined)?.toString().slice(0, 7);

/** The table with these rows in place of its own SQL; columns that a row does not name are NULL, but for its month. */
export const filled = (table: BatchTable, rows: readonly Row[]): BatchTable => ({
  ...table,
  reads: [],
  sql: () => {
    const columns = Object.entries(table.columns).map(([name, { type }]) => {
      if (typeof type !== "string") return `NULL AS ${name}`;
      return `CAST(${name} AS ${type === "string" ? "VARCHAR" : type}) AS ${name}`;
    });
    const names = Object.keys(table.columns);
    const values = rows
      .map(
        (row) => `(${names.map((name) => literal(row[name] ?? (name === "month" ? monthOf(row) : null))).join(", ")})`,
      )
      .join(",\n");
    return `SELECT ${columns.join(", ")} FROM (VALUES ${values}) AS t(${names.join(", ")})`;
  },
});

export interface MartLake {
  /** The lake's own. */
  readonly folder: string;
  readonly queries: DuckDbQueryEngine;
  readonly runs: EmbeddedRunStore;
  readonly ports: ReturnType<typeof memoryPorts> & {
    readonly queries: DuckDbQueryEngine;
    readonly runs: EmbeddedRunStore;
  };
  close(): Promise<void>;
}

/** Writes the tables in this order, each after the one before it, as of `asOf`; the run is called by that day. */
export const martLake = async (asOf: string, tables: readonly BatchTable[]): Promise<MartLake> => {
  const folder = await mkdtemp(path.join(tmpdir(), "ebb-marts-"));
  const lake = path.join(folder, "lake");
  const runner = await DuckDbJobRunner.open({
    folder: lake,
    objectsFolder: path.join(folder, "objects"),
    now: Date.now,
  });
  const parameters = { cutoff: `${asOf}T00:00:00.000Z` };
  for (const [at, table] of tables.entries()) {
    const id = await runner.start({ name: table.name, writes: [{ table, parameters }] }, `${table.name}-${at}`);
    for (let state = await runner.state(id); state.state !== "succeeded"; state = await runner.state(id)) {
      assert.equal(state.state, "running", JSON.stringify(state));
      await delay(2);
    }
  }
  await runner.close();
  const queries = await DuckDbQueryEngine.open({ folder: lake });
  const runs = new EmbeddedRunStore(folder);
  await runs.put(succeeded(asOf));
  return {
    folder: lake,
    queries,
    runs,
    ports: { ...memoryPorts(), queries, runs },
    close: async () => {
      queries.close();
      runs.close();
      await rm(folder, { recursive: true });
    },
  };
};

export const succeeded = (asOf: string, startedAtMs = 1) => ({
  runId: asOf,
  asOf,
  horizonDays: 90,
  state: "succeeded" as const,
  startedBy: "command" as const,
  startedAtMs,
  endedAtMs: startedAtMs + 1,
  steps: [],
});

/** A GET with the read key. */
export const ask = (
  handler: HttpHandler,
  path: string,
  query: Readonly<Record<string, string>> = {},
  more: { headers?: Readonly<Record<string, string>>; pathParameters?: Readonly<Record<string, string>> } = {},
): Promise<Answer> =>
  send(handler, path, "", {
    method: "GET",
    query,
    headers: { authorization: `Bearer ${READ_KEY}`, ...more.headers },
    ...(more.pathParameters === undefined ? {} : { pathParameters: more.pathParameters }),
  });

/** Asserts what a parameter that cannot be served is answered with: 400, its name, and what can be asked. */
export const refuses = async (
  handler: HttpHandler,
  path: string,
  query: Readonly<Record<string, string>>,
  said: RegExp,
): Promise<void> => {
  const { status, headers, body } = await ask(handler, path, query);
  assert.deepEqual(
    [status, headers["content-type"], body["type"]],
    [400, "application/problem+json", "urn:ebb:problem:invalid_parameter"],
    JSON.stringify(query),
  );
  assert.match(String(body["detail"]), said);
  assert.ok(Object.hasOwn(query, String(body["parameter"])), String(body["parameter"]));
};
