/**
 * What a batch run asks of its engine: the workflow itself runs over events on DuckDB, and every job that it starts is
 * noted down: the tables it writes, with their parameters, and the SELECTs whose rows it reads back.
 */
import { appendFileSync } from "node:fs";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import type { StreamEvent } from "@ebb/core/stream-event";
import { make } from "@ebb/functions/model/run-model";
import { type BatchTable, renderBatch } from "@ebb/lake/batch-table";
import { duckdbType } from "@ebb/lake/columns";
import type { BatchJob, TableExport, TableImport, TableWrite } from "@ebb/ports/batch-ports";
import type { EmbeddedRunStore } from "@ebb/ports/embedded/run-store";
import { EmbeddedWorkflowContext } from "@ebb/ports/embedded/workflow-context";
import { smallLake } from "../model/small-lake.ts";
import { temporaryFolder, writeParquet } from "./parquet.ts";
import type { ProofQuery, ProofTable } from "./prove.ts";
import { noRowsOf, readsItself, renderAfter } from "./tables-before.ts";

/** Rows of a table that are compared one by one; of a larger one every sixteenth. */
const MOST_ROWS = 12_000;
const EVENTS_AT_ONCE = 2_000;

/** The stores have nothing here to reconcile with: the jobs that come before scores are written back are all that is wanted. */
class Recorded extends Error {
  override readonly name = "Recorded";
}

export interface RecordedRun {
  /** The tables that the run wrote, in the order in which they read each other, and what it imported. */
  readonly tables: Readonly<Record<string, ProofTable>>;
  /** Rows of every table, and of every export. */
  readonly queries: Readonly<Record<string, ProofQuery>>;
  /** Days of the cutoffs whose features were made. */
  readonly cutoffs: readonly string[];
  /** Some customers, those with the most orders first. */
  readonly customers: readonly string[];
}

export interface RunToRecord {
  readonly asOf: string;
  readonly horizonDays: number;
}

export const recordedRun = async (events: readonly StreamEvent[], request: RunToRecord): Promise<RecordedRun> => {
  const closing: (() => Promise<void>)[] = [];
  const lake = await smallLake({ after: (close) => void closing.push(close) });
  try {
    const arrivedAtMs = Math.max(...events.map((event) => Date.parse(event.received_at))) + 1;
    for (let from = 0; from < events.length; from += EVENTS_AT_ONCE)
      await lake.land(events.slice(from, from + EVENTS_AT_ONCE), arrivedAtMs);
    const jobs: BatchJob[] = [];
    const imports: Record<string, ProofTable> = {};
    const { runner, customers, objects, runs } = lake.ports;
    const ports: typeof lake.ports = {
      ...lake.ports,
      runner: {
        start: async (job, token) => {
          jobs.push(job);
          for (const given of job.imports ?? []) imports[given.name] = await importedFrom(objects, given);
          return await runner.start(job, token);
        },
        state: (id) => runner.state(id),
        unwritten: (tables) => runner.unwritten(tables),
        readColumns: (key, columns) => runner.readColumns(key, columns),
      },
      customers: {
        publishCutPoints: (cuts) => customers.publishCutPoints(cuts),
        scan: async function* () {
          // Nobody.
        },
      } as Partial<typeof customers> as typeof customers,
      scores: {
        putScores: async () => {
          throw new Recorded("recorded");
        },
        scores: async () => undefined,
      },
    };
    const context = new EmbeddedWorkflowContext({ runId: request.asOf, store: runs as EmbeddedRunStore });
    await make(ports)({ ...request, runId: request.asOf, startedBy: "command" }, context).catch((error: unknown) => {
      if (!(error instanceof Recorded)) throw error;
    });

    const writes = Map.groupBy(
      jobs.flatMap((job) => job.writes),
      ({ table }) => table.name,
    );
    const queries: Record<string, ProofQuery> = {};
    for (const [name, [first]] of writes) {
      const [counted] = await lake.rows(`SELECT count(*) AS n FROM ${name}`);
      queries[name] = rowsOf(first!.table, (JSON.parse(counted!) as { n: number }).n);
    }
    for (const job of jobs)
      for (const each of job.exports ?? [])
        queries[`${job.name}: ${each.name}`] = { sql: each.sql, atLeast: atLeastOf(each) };
    const features = writes.get("customer_features") ?? [];
    const best = await lake.rows(
      "SELECT customer_key FROM customer_segments ORDER BY orders DESC, customer_key LIMIT 3",
    );
    return {
      tables: tablesOf(writes, imports),
      queries,
      cutoffs: features.map(({ parameters }) => parameters.cutoff!.slice(0, 10)),
      customers: best.map((row) => (JSON.parse(row) as { customer_key: string }).customer_key),
    };
  } finally {
    for (const close of closing) await close();
  }
};

/** A shop without erasures, with one silent year, or where nothing refers to what is not there, has exports without rows. */
const atLeastOf = ({ name }: TableExport): number => (["months", "quality-references"].includes(name) ? 0 : 1);

/** A table that is written a cutoff at a time is all of them. What is imported comes before the table that reads it. */
const tablesOf = (
  writes: ReadonlyMap<string, readonly TableWrite[]>,
  imports: Readonly<Record<string, ProofTable>>,
): Record<string, ProofTable> =>
  Object.fromEntries(
    [...writes].flatMap(([name, of]): [string, ProofTable][] => {
      const { reads } = of[0]!.table;
      const imported = reads.flatMap((read) =>
        imports[read] === undefined ? [] : ([[read, imports[read]]] as [string, ProofTable][]),
      );
      // What it held before the first run: nothing.
      const { table: first, parameters: given } = of[0]!;
      if (readsItself(first))
        return [
          [`${name}_before`, { table: (dialect) => noRowsOf(first, dialect) }],
          [name, { table: (dialect) => renderAfter(first, dialect, given, `${name}_before`) }],
        ];
      if (of.length === 1)
        return [...imported, [name, { table: (dialect) => renderBatch(of[0]!.table, dialect, of[0]!.parameters) }]];
      const parts = of.map(({ table, parameters }, at): [string, ProofTable] => [
        `${name}_${at}`,
        { table: (dialect) => renderBatch(table, dialect, parameters) },
      ]);
      const all = parts.map(([part]) => `SELECT * FROM ${part}`).join(" UNION ALL ");
      return [...imported, ...parts, [name, { table: () => all }]];
    }),
  );

const rowsOf = (table: BatchTable, rows: number): ProofQuery => {
  const texts = table.key.filter((name) => table.columns[name]!.type === "string");
  if (rows <= MOST_ROWS || texts.length === 0)
    return { sql: () => `SELECT * FROM ${table.name}`, key: table.key, atLeast: rows * 0.9 };
  const text = texts.map((name) => `coalesce(${name}, '')`).join(" || ");
  return {
    // The hash of a text is the same everywhere.
    sql: (dialect) => `SELECT * FROM ${table.name} WHERE substr(${dialect.sha256(text)}, 1, 1) = '0'`,
    key: table.key,
    atLeast: rows / 32,
  };
};

/** Lines of JSON as a file of Parquet, before the run forgets them. */
const importedFrom = async (
  objects: { get(key: string): Promise<AsyncIterable<Uint8Array>> },
  { name, columns, objectKeys }: TableImport,
): Promise<ProofTable> => {
  const folder = temporaryFolder();
  const lines = path.join(folder, `${name}.ndjson`);
  for (const key of objectKeys) appendFileSync(lines, await buffer(await objects.get(key)));
  const types = Object.entries(columns).map(([column, type]) => `'${column}': '${duckdbType({ type })}'`);
  const parquet = path.join(folder, `${name}.parquet`);
  await writeParquet(
    parquet,
    `SELECT * FROM read_json('${lines}', format = 'newline_delimited', columns = {${types.join(", ")}})`,
  );
  return { parquet };
};
