/** Parquet files for proofs, written by DuckDB. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { partitionOf, duckdbJsonColumns } from "@ebb/lake/raw-events";
import type { StreamEvent } from "@ebb/core/stream-event";
import { DuckDBInstance } from "@duckdb/node-api";

/** A folder that goes with the process. */
export const temporaryFolder = (): string => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-engines-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

/** Writes the rows of a SELECT of DuckDB's. */
export const writeParquet = async (
  file: string,
  sql: string,
  compression: "zstd" | "snappy" = "zstd",
): Promise<void> => {
  mkdirSync(path.dirname(file), { recursive: true });
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  try {
    await connection.run(`COPY (${sql}) TO '${file}' (FORMAT parquet, COMPRESSION ${compression})`);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
};

/** A folder of `raw_events` as the land stage lays it out, files of zstd and of snappy by turns. */
export const writeRawEvents = async (folder: string, events: readonly StreamEvent[]): Promise<void> => {
  const byPartition = Map.groupBy(events, (event) => partitionOf(Date.parse(event.received_at)));
  let files = 0;
  for (const [partition, rows] of byPartition) {
    const lines = path.join(folder, "events.ndjson");
    mkdirSync(folder, { recursive: true });
    writeFileSync(lines, rows.map((event) => `${JSON.stringify(event)}\n`).join(""));
    await writeParquet(
      path.join(folder, partition, "part.parquet"),
      `SELECT * FROM read_json('${lines}', format = 'newline_delimited', columns = ${duckdbJsonColumns()})`,
      files++ % 2 === 0 ? "zstd" : "snappy",
    );
    rmSync(lines);
  }
};
