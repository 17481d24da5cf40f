/**
 * What the job runner gives to Athena, on Trino 435. Its parser takes the MERGE by which a table is replaced, and the
 * source of that MERGE runs over tables that are there already: the rows to insert and the rows to delete must be the same
 * when nothing has changed. The memory connector itself takes no MERGE, and UNLOAD, CREATE TABLE … ICEBERG, OPTIMIZE and
 * VACUUM are words of Athena's own; docs/emulators.md says what that leaves open.
 */
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type BatchParameters, renderBatch } from "@ebb/lake/batch-table";
import { batchTables } from "@ebb/lake/batch/batch-tables";
import { makeHistory } from "@ebb/lake/batch/history";
import { toldSamples, toldSelects } from "@ebb/lake/batch/told-samples";
import { trino } from "@ebb/lake/dialect";
import { replaceStatement, replacingSelect, standingStatement } from "@ebb/ports/aws/athena-statements";
import type { Engine } from "./engine.ts";
import { ANSWER_MS, engineNamed, patience } from "./engines.ts";
import { temporaryFolder, writeRawEvents } from "./parquet.ts";
import { noRowsOf, readsItself, renderAfter } from "./tables-before.ts";

const day = "2024-09-01";
const parameters: BatchParameters = {
  cutoff: `${day}T00:00:00.000Z`,
  horizonDays: 90,
  documents: {
    told: toldSamples,
    traits: ["loyalty"],
    cutPoints: {
      version: "it's one",
      recencyAtMs: [Date.UTC(2024, 1), Date.UTC(2024, 3), Date.UTC(2024, 5), Date.UTC(2024, 7)],
      frequency: [1, 2, 3, 5],
      monetaryMinor: [0, 2_500, 10_000, 100_000],
    },
  },
};
const written = batchTables.filter(({ engine }) => engine === "athena");

describe("statements for Athena on Trino 435", () => {
  let engine: Engine;
  before(
    async () => {
      engine = await engineNamed("trino");
      await engine.clear();
      const folder = path.join(temporaryFolder(), "raw_events");
      await writeRawEvents(folder, makeHistory({ seed: 435, customers: 30 }));
      await engine.load("raw_events", folder);
      await engine.define("erased_customers", "table", "SELECT CAST(NULL AS varchar) AS customer_key WHERE false");
      for (const [name, sql] of Object.entries(toldSelects(trino))) await engine.define(name, "table", sql);
      for (const table of batchTables) {
        if (!readsItself(table)) {
          await engine.define(table.name, "table", renderBatch(table, trino, parameters));
          continue;
        }
        const before = `${table.name}_before`;
        await engine.define(before, "table", noRowsOf(table, trino));
        await engine.define(table.name, "table", renderAfter(table, trino, parameters, before));
      }
    },
    { timeout: patience * 300_000 },
  );
  after(() => engine.clear());

  for (const table of written) {
    const replaced = table.partitionedBy === "cutoff" ? [day] : undefined;
    const select = renderBatch(table, trino, parameters);

    it(
      `${table.name}: MERGE is parsed, and replaces the rows by the same rows`,
      { timeout: 2 * ANSWER_MS },
      async () => {
        await engine.rows(`PREPARE replacing FROM ${replaceStatement(table, replaced, select)}`);
        await engine.rows(`PREPARE standing FROM ${standingStatement(table, replaced)}`);
        const { rows } = await engine.rows(`SELECT * FROM (${replacingSelect(table, replaced, select)}) AS s`);
        const marked = (mark: boolean): string[] =>
          rows
            .filter(([is]) => is === mark)
            .map(([, ...values]) =>
              // Doubles that are sums may differ in their last digits from one time to the next.
              JSON.stringify(values, (_, value: unknown) =>
                typeof value === "bigint" ? String(value) : typeof value === "number" ? value.toPrecision(9) : value,
              ),
            )
            .sort();
        const there = await engine.rows(`SELECT count(*) FROM ${table.name}`);
        assert.equal(BigInt(marked(true).length), there.rows[0]![0]);
        assert.ok(marked(true).length > 0);
        assert.deepEqual(marked(false), marked(true));
      },
    );
  }

  it("partitions that are not named stay as they are; a statement that is none is refused", async () => {
    const table = written.find(({ partitionedBy }) => partitionedBy === "cutoff")!;
    const other = replacingSelect(table, ["2024-06-01"], renderBatch(table, trino, parameters));
    assert.deepEqual((await engine.rows(`SELECT * FROM (${other}) AS s`)).rows, []);
    const merge = replaceStatement(table, [day], renderBatch(table, trino, parameters));
    await assert.rejects(
      engine.rows(`PREPARE none FROM ${merge.replace("WHEN MATCHED", "WHERE MATCHED")}`),
      /SYNTAX_ERROR/,
    );
  });
});
