/** Parquet as CSV with a header, by DuckDB: what is uploaded goes through one pipeline, whatever its format. */
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, open, rm } from "node:fs/promises";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { ParquetUnreadable } from "../source-ports.ts";
import { quoted } from "./parquet-conversion.ts";

/**
 * Times are UTC, `YYYY-MM-DD HH:MM:SS`; lists and structs are JSON.
 * @param folder where the file and its rows lie meanwhile
 * @throws ParquetUnreadable
 */
export async function* parquetAsCsv(bytes: AsyncIterable<Uint8Array>, folder: string): AsyncGenerator<Uint8Array> {
  await mkdir(folder, { recursive: true });
  const own = await mkdtemp(path.join(folder, "parquet-"));
  try {
    const [parquet, csv] = [path.join(own, "in.parquet"), path.join(own, "out.csv")];
    const handle = await open(parquet, "wx", 0o600);
    try {
      for await (const chunk of bytes)
        for (let at = 0; at < chunk.length;) at += (await handle.write(chunk, at)).bytesWritten;
    } finally {
      await handle.close();
    }
    await convert(parquet, csv, own);
    yield* createReadStream(csv, { highWaterMark: 256 * 1024 });
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

const convert = async (parquet: string, csv: string, spill: string): Promise<void> => {
  const instance = await DuckDBInstance.create(":memory:", {
    memory_limit: "128MB",
    threads: "1",
    temp_directory: spill,
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
  const connection = await instance.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'");
    const from = `read_parquet(${quoted(parquet)}, hive_partitioning = false)`;
    const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${from}`);
    const columns = described.getRows().map(([name, type]) => {
      const column = `"${String(name).replaceAll('"', '""')}"`;
      if (type === "TIMESTAMP WITH TIME ZONE") return `timezone('UTC', ${column}) AS ${column}`;
      return /[[\](]/.test(String(type)) && !String(type).startsWith("DECIMAL(")
        ? `CAST(to_json(${column}) AS VARCHAR) AS ${column}`
        : column;
    });
    await connection.run(
      `COPY (SELECT ${columns.join(", ")} FROM ${from}) TO ${quoted(csv)} (FORMAT csv, HEADER true)`,
    );
  } catch (error) {
    // DuckDB's words may hold a path, or a value.
    throw new ParquetUnreadable("The file cannot be read as Parquet: it is damaged, or something else.", {
      cause: error,
    });
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
};
