/** The proof that one SQL gives the same rows on DuckDB, on Spark 3.5 and 4.1, and on Trino. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Dialect } from "@ebb/lake/dialect";
import { type Side, differenceOf } from "./compare.ts";
import type { Engine, Rows } from "./engine.ts";
import { ANSWER_MS, engineNamed, engineNames, patience } from "./engines.ts";

type Rendered = (dialect: Dialect) => string;

/** What a name stands for: a Parquet file or folder, a SELECT run whenever it is read, or a SELECT run once. */
export type ProofTable = { readonly parquet: string } | { readonly view: Rendered } | { readonly table: Rendered };

export interface ProofQuery {
  readonly sql: Rendered;
  /** Columns that identify a row; rows are matched by the whole row without them. */
  readonly key?: readonly string[];
  /** The order of the rows is part of what is asked: a list that is read page by page. */
  readonly ordered?: boolean;
  /** Rows that there must be on DuckDB at least: a proof on no rows proves nothing. 1 unless told. */
  readonly atLeast?: number;
  /** The rows as something else than an engine computes them; integers are bigint. */
  readonly expected?: Rows["rows"];
}

export interface Proof {
  readonly title: string;
  /** In the order in which they read each other. A function may make the Parquet files first. */
  readonly tables: Readonly<Record<string, ProofTable>> | (() => Promise<Readonly<Record<string, ProofTable>>>);
  readonly queries: Readonly<Record<string, ProofQuery | Rendered>>;
  /** Why it cannot run here, or false. */
  readonly skip?: string | false;
}

const define = async (engine: Engine, name: string, table: ProofTable): Promise<void> => {
  if ("parquet" in table) await engine.load(name, table.parquet);
  else if ("view" in table) await engine.define(name, "view", table.view(engine.dialect));
  else await engine.define(name, "table", table.table(engine.dialect));
};

/** More than all the tables of a proof take; an engine that hangs is ended before (`ANSWER_MS`). */
const TABLES_MS = patience * 900_000;

/** The rows with their places, so that they are matched by them. */
const numbered = ({ columns, rows }: Rows): Rows => ({
  columns: [{ name: "place", shape: "integer" }, ...columns],
  rows: rows.map((row, place) => [BigInt(place), ...row]),
});

/** Names what an engine refused: which engine, which query, and its SQL. */
const told = async <T>(engine: Engine, name: string, work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    throw new Error(`${engine.title}, ${name}: ${(error as Error).message}`, { cause: error });
  }
};

/**
 * Registers a suite of node:test: the tables are made on every engine, and each query is a test that all engines give the
 * rows of DuckDB.
 *
 * @example
 * proveOnEveryEngine({
 *   title: "marts",
 *   tables: { raw_events: { parquet: folder }, orders: { view: (dialect) => render(orders, dialect) } },
 *   queries: { sales: { sql: (dialect) => renderBatch(salesDaily, dialect, {}), key: ["day"] } },
 * });
 */
export const proveOnEveryEngine = ({ title, tables, queries, skip = false }: Proof): void => {
  void describe(title, { skip }, () => {
    let engines: readonly Engine[] = [];

    before(
      async () => {
        const made = typeof tables === "function" ? await tables() : tables;
        // All are waited for even when one fails: nothing of this suite may run into the next.
        const ready = await Promise.allSettled(
          engineNames.map(async (name) => {
            const engine = await engineNamed(name);
            await engine.clear();
            for (const [table, content] of Object.entries(made))
              await told(engine, table, define(engine, table, content));
            return engine;
          }),
        );
        engines = ready.map((outcome) => {
          if (outcome.status === "rejected") throw outcome.reason;
          return outcome.value;
        });
      },
      { timeout: TABLES_MS },
    );
    after(async () => {
      await Promise.all(engines.map((engine) => engine.clear()));
    });

    for (const [name, query] of Object.entries(queries)) {
      const {
        sql,
        ordered = false,
        atLeast = 1,
        expected,
        ...rest
      } = typeof query === "function" ? { sql: query } : query;
      const key = ordered ? ["place"] : rest.key;
      void test(`${name}: the same rows on every engine`, { timeout: 2 * ANSWER_MS }, async (context) => {
        const rowsOn = async (engine: Engine): Promise<Side> => {
          const rows = await told(engine, name, engine.rows(sql(engine.dialect)));
          return { title: engine.title, rows: ordered ? numbered(rows) : rows };
        };
        const [reference, ...others] = (await Promise.all(engines.map(rowsOn))) as [Side, ...Side[]];
        const count = reference.rows.rows.length;
        assert.ok(count >= atLeast, `${name}: ${count} rows on ${reference.title}, at least ${atLeast} are needed`);
        if (expected !== undefined) {
          const oracle = { title: "Expected", rows: { columns: reference.rows.columns, rows: expected } };
          const difference = differenceOf(name, oracle, reference, key);
          assert.equal(difference, undefined, difference);
        }
        for (const other of others) {
          const difference = differenceOf(name, reference, other, key);
          assert.equal(difference, undefined, difference);
        }
        context.diagnostic(`${count} rows on ${engines.map((engine) => engine.title).join(", ")}`);
      });
    }
  });
};
