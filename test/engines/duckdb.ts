/** DuckDB in this process, as the embedded home runs it. */
import { statSync } from "node:fs";
import path from "node:path";
import { duckdb } from "@ebb/lake/dialect";
import { DuckDBInstance, DuckDBListType, DuckDBStructType, type DuckDBType, DuckDBTypeId } from "@duckdb/node-api";
import { type Engine, type Shape, plainOf } from "./engine.ts";

const scalars = new Map<DuckDBTypeId, Shape>([
  [DuckDBTypeId.TINYINT, "integer"],
  [DuckDBTypeId.SMALLINT, "integer"],
  [DuckDBTypeId.INTEGER, "integer"],
  [DuckDBTypeId.BIGINT, "integer"],
  [DuckDBTypeId.HUGEINT, "integer"],
  [DuckDBTypeId.FLOAT, "double"],
  [DuckDBTypeId.DOUBLE, "double"],
  [DuckDBTypeId.DECIMAL, "decimal"],
  [DuckDBTypeId.VARCHAR, "text"],
  [DuckDBTypeId.BOOLEAN, "boolean"],
  [DuckDBTypeId.DATE, "date"],
  [DuckDBTypeId.TIMESTAMP, "timestamp"],
]);

const shapeOf = (type: DuckDBType): Shape => {
  if (type instanceof DuckDBListType) return { list: shapeOf(type.valueType) };
  if (type instanceof DuckDBStructType)
    return {
      struct: type.entryNames.map((name, index) => ({ name, shape: shapeOf(type.entryTypes[index]!) })),
    };
  const shape = scalars.get(type.typeId);
  if (shape === undefined) throw new TypeError(`DuckDB gave a column of type ${type.toString()}`);
  return shape;
};

/** A SELECT of all that a Parquet file, or a folder of them, holds. */
export const duckdbScan = (parquet: string): string =>
  statSync(parquet).isDirectory()
    ? `SELECT * FROM read_parquet('${path.join(parquet, "**/*.parquet")}', hive_partitioning = true, hive_types_autocast = false)`
    : `SELECT * FROM read_parquet('${parquet}')`;

export const startDuckdb = async (): Promise<Engine> => {
  const instance = await DuckDBInstance.create(":memory:", { threads: "2", memory_limit: "2GB" });
  const connection = await instance.connect();
  const text = async (sql: string): Promise<unknown[]> =>
    (await connection.runAndReadAll(sql)).getRows().map(([value]) => value);
  const [version] = await text("SELECT version()");
  return {
    title: `DuckDB ${String(version).slice(1)}`,
    dialect: duckdb,
    async load(table, parquet) {
      await connection.run(`CREATE TABLE ${table} AS ${duckdbScan(parquet)}`);
    },
    async define(name, kind, sql) {
      await connection.run(`CREATE ${kind} ${name} AS ${sql}`);
    },
    async rows(sql) {
      const reader = await connection.runAndReadAll(sql);
      const types = reader.columnTypes();
      const columns = reader.columnNames().map((name, index) => ({ name, shape: shapeOf(types[index]!) }));
      const rows = reader.getRowsJson().map((row) => row.map((value, index) => plainOf(columns[index]!.shape, value)));
      return { columns, rows };
    },
    async clear() {
      for (const kind of ["view", "table"])
        for (const name of await text(`SELECT ${kind}_name FROM duckdb_${kind}s() WHERE NOT internal`))
          await connection.run(`DROP ${kind} IF EXISTS ${String(name)} CASCADE`);
    },
    stop() {
      connection.closeSync();
      instance.closeSync();
      return Promise.resolve();
    },
    kill: () => connection.interrupt(),
  };
};
