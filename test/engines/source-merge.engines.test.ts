/**
 * The MERGE by which a source's table changes, on Iceberg by Spark 3.5: its clauses do what a map by key would, in one
 * commit. Its own source is Trino's SQL, which runs there (source-tables.engines.test.ts): here rows stand in its place.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { mergeLinesStatement, mergeStatement } from "@ebb/ports/aws/source-statements";
import type { SourceCommit, SourceTable } from "@ebb/ports/source-ports";
import { patience } from "./engines.ts";
import { icebergJar } from "./spark-job.ts";
import { type SparkSession, startSparkSession } from "./spark.ts";

const orders: SourceTable = {
  name: "source_orders",
  columns: [
    { name: "shop", type: "string" },
    { name: "id", type: "bigint" },
    { name: "total", type: "decimal(12,2)" },
  ],
  key: ["shop", "id"],
};
const lines: SourceTable = {
  name: "source_orders_lines",
  columns: [
    { name: "id", type: "bigint" },
    { name: "sku", type: "string" },
  ],
  key: ["sku"],
};
const commit: SourceCommit = {
  source: "orders",
  loadId: "load_1",
  mode: "snapshot",
  table: orders,
  keysStaged: false,
  lines: { table: lines, parent: "id", parentKey: "id" },
};
const standingOf = ({ name, columns }: SourceTable) => ({ physical: name, columns });

/** With a table in the place of what is between USING and ON. */
const over = (source: string, sql: string): string =>
  sql.replace(/USING \([\s\S]*\n\) AS ebb_s\n/, `USING ${source} AS ebb_s\n`);

describe("MERGE of a source's tables on Iceberg", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-source-merge-"));
  let session: SparkSession;
  before(
    async () => {
      session = await startSparkSession("3.5", {
        "spark.jars": await icebergJar("3.5"),
        "spark.driver.memory": "1g",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.type": "hadoop",
        "spark.sql.catalog.lake.warehouse": `file:${folder}`,
        "spark.sql.catalog.lake.cache-enabled": "false",
        // Trino's quotes round names.
        "spark.sql.ansi.doubleQuotedIdentifiers": "true",
      });
      await session.run("CREATE NAMESPACE lake.db");
      await session.run("USE lake.db");
    },
    { timeout: patience * 300_000 },
  );
  after(async () => {
    await session.engine.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const made = async (name: string, columns: string, values: string): Promise<void> => {
    await session.run(`CREATE TABLE lake.db.${name} (${columns}) USING iceberg`);
    await session.run(`INSERT INTO lake.db.${name} VALUES ${values}`);
  };
  const rowsOf = async ({ name, columns }: SourceTable): Promise<string[]> => {
    const cells = columns.map((column) => `coalesce(CAST("${column.name}" AS string), '')`);
    const { rows } = await session.engine.rows(
      `SELECT concat_ws(' ', ${cells.join(", ")}) AS cells FROM lake.db.${name}`,
    );
    return rows.map(([text]) => text as string).sort();
  };
  const commits = async (name: string): Promise<number> =>
    (await session.engine.rows(`SELECT snapshot_id FROM lake.db.${name}.snapshots`)).rows.length;

  it("inserts, updates and deletes by the whole key in one commit; made again it changes nothing", async () => {
    await made(
      orders.name,
      "shop string, id bigint, total decimal(12,2)",
      "('a', 1, 1.00), ('a', 2, 2.00), ('b', 1, 3.00)",
    );
    await made(
      "changes",
      "shop string, id bigint, total decimal(12,2), ebb_change string",
      "('a', 1, 1.50, 'update'), ('a', 2, NULL, 'delete'), ('b', 2, NULL, 'insert')",
    );
    const sql = over("lake.db.changes", mergeStatement(commit, standingOf(orders), standingOf(orders)));
    await session.run(sql);
    assert.deepEqual(await rowsOf(orders), ["a 1 1.50", "b 1 3.00", "b 2 "]);
    assert.equal(await commits(orders.name), 2);
    // What the source finds then is nothing.
    await session.run("DELETE FROM lake.db.changes WHERE true");
    await session.run(sql);
    assert.deepEqual(await rowsOf(orders), ["a 1 1.50", "b 1 3.00", "b 2 "]);
  });

  it("replaces all lines of the parents that changed, equal lines and all, in one commit", async () => {
    await made(lines.name, "id bigint, sku string", "(1, 'a'), (1, 'a'), (1, 'b'), (2, 'c'), (3, 'd'), (NULL, 'e')");
    await made(
      "line_changes",
      "ebb_gone boolean, id bigint, sku string",
      "(true, 1, NULL), (true, 3, NULL), (true, 4, NULL), (false, 1, 'a'), (false, 1, 'x'), (false, 1, 'x'), (false, 4, 'y')",
    );
    const standing = { rows: standingOf(orders), lines: standingOf(lines) };
    await session.run(over("lake.db.line_changes", mergeLinesStatement(commit, standing, standingOf(lines))));
    assert.deepEqual(await rowsOf(lines), [" e", "1 a", "1 x", "1 x", "2 c", "4 y"]);
    assert.equal(await commits(lines.name), 2);
  });
});
