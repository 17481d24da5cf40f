import { createWriteStream, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import pg from "pg";
import { to as copyTo } from "pg-copy-streams";
import { postgresProgram, startPostgres } from "../sources/servers.ts";
import { makeShop } from "../sources/shop.ts";
import { Child, watchMemory } from "./child.ts";
import { type Bench, megabytes, perSecond, seconds } from "./result.ts";

/** Share of COPY's speed, and bytes. */
const TARGET = 0.25;
const MEMORY = 300e6;
/** Bounds of the heap as the home gives them to the thread of a load. */
const HEAP = ["--max-semi-space-size=8", "--max-old-space-size=256"];

/** A table of PostgreSQL into the lake against `COPY … TO STDOUT` piped to a file, in turns in the same run. */
export const sources: Bench = async ({ quick }) => {
  const program = postgresProgram();
  if (program === undefined) return { name: "sources", skipped: "PostgreSQL is neither installed nor to be had here" };
  const rows = quick ? 50_000 : 1_000_000;
  const server = await startPostgres(program);
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-bench-sources-"));
  const connection = {
    source: "contacts",
    host: "127.0.0.1",
    port: server.port,
    database: "postgres",
    user: "owner",
    password: server.password,
  };
  const ca = readFileSync(server.caFile, "utf8");
  try {
    await makeShop(server, Math.max(100, rows / 10), rows);
    const copies: number[] = [];
    const loads: number[] = [];
    const cpus: number[] = [];
    let peak = 0;
    for (let round = 0; round < (quick ? 1 : 3); round++) {
      copies.push(await copy({ ...connection, ssl: { ca } }, path.join(folder, "copy.tsv")));
      const child = new Child(
        "source-load",
        {
          folder: path.join(folder, String(round)),
          connection: { ...connection, tls: { mode: "verify", ca } },
        },
        HEAP,
      );
      const stopWatching = watchMemory(child.pid);
      const loaded = await child.next<{ ms: number; cpuMs: number; rows: number }>();
      peak = Math.max(peak, stopWatching());
      await child.stop();
      if (loaded.rows !== rows) throw new Error(`${loaded.rows} of ${rows} rows are in the lake`);
      loads.push(loaded.ms);
      cpus.push(loaded.cpuMs);
    }
    const [copyMs, loadMs] = [Math.min(...copies), Math.min(...loads)];
    const share = copyMs / loadMs;
    return {
      name: "sources",
      title: "A table of PostgreSQL into the lake",
      method:
        `${rows.toLocaleString("en")} rows of seven fields by TLS, from the first query until the table is there for SQL: customers as pseudonyms, ` +
        "times in UTC, pages staged durably with a checkpoint each, typed Parquet, one swap. The floor is COPY … TO STDOUT of the " +
        "same fields piped to a file, by TLS, the best of three each in turns.",
      figures: [
        { what: "COPY to a file", value: `${seconds(copyMs)} (${perSecond(rows, copyMs)})` },
        { what: "into the lake", value: `${seconds(loadMs)} (${perSecond(rows, loadMs)})` },
        { what: "CPU of a load, DuckDB's included", value: seconds(Math.min(...cpus)) },
        { what: "share of COPY's speed", value: share.toFixed(2) },
        { what: "resident memory at most", value: megabytes(peak) },
      ],
      target: {
        what: "at least a quarter of COPY's speed, in less than 300 MB",
        met: share >= TARGET && peak < MEMORY,
      },
    };
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
};

const copy = async (config: pg.ClientConfig, file: string): Promise<number> => {
  const client = new pg.Client(config);
  await client.connect();
  try {
    const startedMs = performance.now();
    const fields = "id, customer_id, placed_at, status, note, total, updated_at";
    await pipeline(client.query(copyTo(`COPY (SELECT ${fields} FROM orders) TO STDOUT`)), createWriteStream(file));
    return performance.now() - startedMs;
  } finally {
    await client.end();
  }
};
