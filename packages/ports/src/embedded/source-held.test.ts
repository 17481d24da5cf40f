import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import type { SourceTable } from "../source-ports.ts";
import { heldColumns } from "./source-held.ts";

const table: SourceTable = {
  name: "source_odd",
  columns: [
    { name: "id", type: "int" },
    { name: "value", type: "double" },
    { name: "free", type: "decimal(12,2)" },
    { name: "note", type: "string" },
  ],
  key: ["id"],
};

test("numbers without an end or without a value stop nobody from telling where the others lie", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "ebb-held-"));
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  try {
    const file = path.join(folder, "odd.parquet");
    await connection.run(
      `COPY (SELECT * FROM (VALUES
         (1, 1::DOUBLE, 1.5::DECIMAL(12,2), 'a'), (2, 3, NULL, NULL), (3, 'NaN'::DOUBLE, NULL, NULL), (4, 'Infinity'::DOUBLE, NULL, NULL),
         (5, 1e308, NULL, NULL), (6, -1e308, NULL, NULL), (7, NULL, NULL, NULL), (8, 2, 2.5, 'b')) AS t (id, value, free, note))
       TO '${file}' (FORMAT parquet)`,
    );
    const [id, value, free, note] = await heldColumns(connection, [file], table, 8);
    assert.deepEqual(id, { name: "id", missing: 0 });
    assert.deepEqual(value, { name: "value", missing: 1 / 8, mean: 2, sd: 1 });
    assert.deepEqual(free, { name: "free", missing: 6 / 8, mean: 2, sd: Math.SQRT1_2 });
    assert.deepEqual(note, { name: "note", missing: 6 / 8 });
  } finally {
    connection.closeSync();
    await rm(folder, { recursive: true });
  }
});
