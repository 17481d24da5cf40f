/** Parquet in a function against the embedded home's reader, DuckDB: the same rows of the same file, text by text. */
import assert from "node:assert/strict";
import { createReadStream, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { after, describe, it } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import Papa from "papaparse";
import { parquetAsCsv as byDuckDb } from "../embedded/parquet-csv.ts";
import { ParquetUnreadable } from "../source-ports.ts";
import { parquetAsCsv } from "./parquet-csv.ts";

const folder = mkdtempSync(path.join(tmpdir(), "ebb-parquet-"));
after(() => rmSync(folder, { recursive: true }));

const run = async (sql: string): Promise<void> => {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run(sql);
  connection.closeSync();
  instance.closeSync();
};

const cellsOf = async (csv: AsyncIterable<Uint8Array>): Promise<string[][]> =>
  Papa.parse<string[]>((await buffer(csv)).toString("utf8"), { skipEmptyLines: "greedy" }).data;

/** @param as cells that may be told in several ways, in one way */
const inBoth = async (file: string, as = (rows: string[][]): unknown => rows): Promise<string[][]> => {
  const [here, there] = [
    await cellsOf(parquetAsCsv(createReadStream(file), folder)),
    await cellsOf(byDuckDb(createReadStream(file), folder)),
  ];
  assert.deepEqual(as(here), as(there));
  return here;
};

/** SQL of a column, its rows made of their number `i`. */
const columns: Record<string, string> = {
  id: "i",
  flag: "i % 2 = 0",
  tiny: "CAST(i % 100 - 50 AS tinyint)",
  unsigned: "CAST(4294967295 - i AS uinteger)",
  huge: "9223372036854775807 - i",
  huger: "CAST(18446744073709551615 - i AS ubigint)",
  float: "CAST(0.1 * i AS float)",
  double: "i / 3.0",
  whole: "CAST(i AS double)",
  far: "i * 1e17",
  near: "i * 1e-7",
  money: "CAST(i * 1.07 - 20 AS decimal(9, 2))",
  precise: "CAST(i * 123456789.123456 AS decimal(18, 6))",
  widest: "CAST(i AS decimal(38, 10)) * 1234567890123.4567",
  counted: "CAST(i AS decimal(12, 0))",
  day: "DATE '1969-12-25' + CAST(i AS integer)",
  at: "TIMESTAMP '2024-02-28 23:59:58.5' + to_microseconds(i * 1000001)",
  zoned: "TIMESTAMPTZ '1969-12-31 23:59:58+02' + to_seconds(i)",
  millis: "CAST(TIMESTAMP '2024-01-01 00:00:00.25' AS timestamp_ms)",
  clock: "TIME '13:05:09.120' ",
  text: "CASE i % 5 WHEN 0 THEN 'a, \"b\"' WHEN 1 THEN 'line\nbreak' WHEN 2 THEN '' WHEN 3 THEN 'Zoë 🛒' ELSE 'plain' END",
  uuid: "CAST('6f9619ff-8b86-d011-b42d-00c04fc96' || lpad(CAST(i AS varchar), 3, '0') AS uuid)",
  bytes: "CAST('\\x00a\\xFF''\\x5C' AS blob)",
  json: "CAST('{\"a\": ' || i || '}' AS json)",
  list: "[i, i + 1]",
  nested: "[{sku: 'p' || i, quantity: CAST(i AS integer), note: NULL, big: 9007199254740993 + i}]",
};
const selected = Object.entries(columns).flatMap(([name, sql]) => [
  `${sql} AS ${name}`,
  `CASE WHEN i % 3 = 0 THEN ${sql} END AS ${name}_or_none`,
]);

describe("Parquet as CSV, in a function and on one machine", () => {
  for (const codec of ["uncompressed", "snappy", "gzip", "zstd", "brotli"])
    it(`is the same rows: every type, with and without gaps, ${codec}`, async () => {
      const file = path.join(folder, `${codec}.parquet`);
      await run(
        `COPY (SELECT ${selected.join(", ")} FROM range(200) t(i)) TO '${file}' (FORMAT parquet, COMPRESSION ${codec})`,
      );
      const rows = await inBoth(file);
      assert.equal(rows.length, 201);
      assert.equal(rows[0]!.length, selected.length);
    });

  it("is the same in many row groups, in the second version of the format, and without a row", async () => {
    const many = path.join(folder, "many.parquet");
    await run(`COPY (SELECT i, 'p' || i % 7 AS product, i * 0.25 AS price FROM range(30000) t(i))
      TO '${many}' (FORMAT parquet, ROW_GROUP_SIZE 4096, PARQUET_VERSION V2)`);
    assert.equal((await inBoth(many)).length, 30_001);
    const none = path.join(folder, "none.parquet");
    await run(`COPY (SELECT 1 AS a, 'x' AS "b, c" WHERE false) TO '${none}' (FORMAT parquet)`);
    assert.deepEqual(await inBoth(none), [["a", "b, c"]]);
  });

  it("is the same for any number with a fraction", async () => {
    const any = fc.oneof(
      fc.double({ noDefaultInfinity: true }),
      fc.float().map(Number),
      fc.double({ min: -1e18, max: 1e18 }),
      fc.tuple(fc.integer(), fc.integer({ min: -9, max: 9 })).map(([digits, power]) => digits * 10 ** power),
    );
    const values = fc.sample(any, { numRuns: 4_000, seed: 20_261_122 });
    const listed = values.map((value) => `('${value}')`);
    const file = path.join(folder, "numbers.parquet");
    await run(`COPY (SELECT CAST(v AS double) AS d, TRY_CAST(CAST(v AS double) AS float) AS f FROM (VALUES ${listed.join(", ")}) t(v))
      TO '${file}' (FORMAT parquet)`);
    const asFloats = (rows: string[][]): unknown => rows.map(([double, float]) => [double, Math.fround(Number(float))]);
    assert.equal((await inBoth(file, asFloats)).length, 4_001);
  });

  it("is refused by name where it is damaged, something else or packed in a way that is not read, and leaves no file", async () => {
    const file = path.join(folder, "lz4.parquet");
    await run(`COPY (SELECT 1 AS a) TO '${file}' (FORMAT parquet, COMPRESSION lz4_raw)`);
    const damaged = (await buffer(createReadStream(path.join(folder, "snappy.parquet")))).fill(7, 100, 3_000);
    for (const [bytes, message] of [
      [await buffer(createReadStream(file)), /LZ4_RAW/],
      [Buffer.from("order_id,customer_id\n1,2\n"), /cannot be read as Parquet/],
      [Buffer.from("PAR1"), /cannot be read as Parquet/],
      [damaged, /cannot be read as Parquet/],
    ] as const) {
      const own = mkdtempSync(path.join(folder, "own-"));
      const other = path.join(own, "other");
      writeFileSync(other, bytes);
      await assert.rejects(
        cellsOf(parquetAsCsv(createReadStream(other), own)),
        (error: unknown) => error instanceof ParquetUnreadable && message.test(error.message),
      );
      assert.deepEqual(readdirSync(own), ["other"]);
    }
  });

  for (const [home, parquetIn] of [
    ["a function", parquetAsCsv],
    ["one machine", byDuckDb],
  ] as const)
    it(`leaves the errors of whom it reads from and of whom it gives to as they are, in ${home}`, async () => {
      const own = mkdtempSync(path.join(folder, "own-"));
      const file = await buffer(createReadStream(path.join(folder, "snappy.parquet")));
      const lost = new Error("the connection was lost");
      const breaking = async function* (): AsyncGenerator<Uint8Array> {
        yield await Promise.resolve(file.subarray(0, 4_000));
        throw lost;
      };
      await assert.rejects(cellsOf(parquetIn(breaking(), own)), (error: unknown) => error === lost);
      const full = new Error("the store takes no more");
      const rows = parquetIn(createReadStream(path.join(folder, "snappy.parquet")), own);
      assert.match(Buffer.from((await rows.next()).value as Uint8Array).toString("utf8"), /^id,id_or_none,/);
      await assert.rejects(rows.throw(full), (error: unknown) => error === full);
      assert.deepEqual(readdirSync(own), []);
    });
});
