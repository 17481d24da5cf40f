/**
 * Athena's words on Trino 435: what stands in the lake's bucket under `sources/staging/` shows as the table
 * `ebb_source_staging`, Hive's DDL becomes Trino's, and a MERGE, which the memory connector does not take, is parsed by Trino,
 * its source run by Trino, and its clauses carried out one by one.
 */
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { buffer } from "node:stream/consumers";
import type { ObjectStore, QueryEngine, QueryResult, SqlValue } from "@ebb/ports";
import { trino } from "@ebb/lake/dialect";
import type { LongStatements } from "@ebb/ports/aws/begun-statements";
import { STAGED_TABLE } from "@ebb/ports/aws/source-statements";
import type { Engine } from "./engine.ts";

const STAGING = /^sources\/staging\/load=([^/]+)\/name=([^/]+)\/[^/]+\.json\.gz$/;
const literal = (text: string | null): string =>
  text === null ? "CAST(NULL AS varchar)" : `'${text.replaceAll("'", "''")}'`;
const trinoTypes: Readonly<Record<string, string>> = { string: "varchar", int: "integer", timestamp: "timestamp(6)" };

/** The parts of a MERGE; it has those that the adapter writes and no others. */
const partsOf = (sql: string) => {
  const whole =
    /^MERGE INTO "(?<target>\w+)" AS ebb_t\nUSING \(\n(?<using>[\s\S]*)\n\) AS ebb_s\nON (?<on>.*)\n(?<clauses>(?:WHEN .*\n?)+)$/.exec(
      sql,
    )?.groups;
  assert.ok(whole !== undefined, `no MERGE as it is known here: ${sql}`);
  const clause = (pattern: RegExp) =>
    whole["clauses"]!.split("\n")
      .map((line) => pattern.exec(line)?.groups)
      .find(Boolean);
  const deletes = clause(/^WHEN MATCHED(?: AND (?<when>.*))? THEN DELETE$/);
  const updates = clause(/^WHEN MATCHED(?: AND (?<when>.*))? THEN UPDATE SET (?<set>.*)$/);
  const inserts = clause(
    /^WHEN NOT MATCHED(?: AND (?<when>.*))? THEN INSERT \((?<names>.*)\) VALUES \((?<values>.*)\)$/,
  );
  const known = [deletes, updates, inserts].filter(Boolean).length;
  assert.equal(known, whole["clauses"]!.trim().split("\n").length, `a clause is not known here: ${sql}`);
  return { target: whole["target"]!, using: whole["using"]!, on: whole["on"]!, deletes, updates, inserts: inserts! };
};

export interface TrinoLake {
  readonly queries: QueryEngine;
  /** The same; a token that was used before is of the statement of then, also of one that failed. */
  readonly long: LongStatements;
  /** Every statement that was run, in Athena's words. */
  readonly statements: string[];
}

export const trinoLake = (engine: Engine, objects: ObjectStore): TrinoLake => {
  const statements: string[] = [];
  let shown = "";

  const showStaged = async (): Promise<void> => {
    const values: string[] = [];
    for await (const key of objects.list("sources/staging/")) {
      const [, load, name] = STAGING.exec(key)!;
      const text = gunzipSync(await buffer(await objects.get(key))).toString("utf8");
      for (const line of text.split("\n").filter((each) => each !== "")) {
        const { p, c } = JSON.parse(line) as { p: number; c: (string | null)[] };
        values.push(`(${literal(load!)}, ${literal(name!)}, ${p}, ARRAY[${c.map(literal).join(", ")}])`);
      }
    }
    const now = values.join(",\n");
    if (now === shown) return;
    await engine.rows(`DROP TABLE IF EXISTS ${STAGED_TABLE}`);
    await engine.rows(`CREATE TABLE ${STAGED_TABLE} (load varchar, name varchar, p integer, c array(varchar))`);
    if (now !== "") await engine.rows(`INSERT INTO ${STAGED_TABLE} VALUES ${now}`);
    shown = now;
  };

  const merge = async (sql: string): Promise<void> => {
    await engine.rows(`PREPARE merging FROM ${sql}`);
    const { target, using, on, deletes, updates, inserts } = partsOf(sql);
    await engine.rows(`CREATE TABLE merge_source AS ${using}`);
    const columns = (await engine.rows(`SELECT * FROM "${target}" LIMIT 0`)).columns.map(({ name }) => name);
    const count = async (select: string): Promise<number> => Number((await engine.rows(select)).rows[0]![0]);
    // Iceberg refuses such a MERGE: MERGE_TARGET_ROW_MULTIPLE_MATCHES.
    const matches = await count(`SELECT count(*) FROM "${target}" AS ebb_t JOIN merge_source AS ebb_s ON ${on}`);
    const matched = await count(
      `SELECT count(*) FROM "${target}" AS ebb_t WHERE EXISTS (SELECT 1 FROM merge_source AS ebb_s WHERE ${on})`,
    );
    assert.equal(matches, matched, "a row of the target is met by two of the source");
    const set = new Map((updates?.["set"] ?? "").split(", ").map((each) => each.split(" = ") as [string, string]));
    const updated = columns.map((name) => `${set.get(`"${name}"`) ?? `ebb_t."${name}"`} AS "${name}"`).join(", ");
    assert.deepEqual(
      inserts["names"]!.split(", "),
      columns.map((name) => `"${name}"`),
    );
    const all = columns.map((name) => `ebb_t."${name}"`).join(", ");
    const stays =
      updates === undefined ? "false" : (deletes?.["when"] ?? "true") === "true" ? "true" : `NOT (${deletes!["when"]})`;
    await engine.rows(`CREATE TABLE merge_target AS
      SELECT ${all} FROM "${target}" AS ebb_t WHERE NOT EXISTS (SELECT 1 FROM merge_source AS ebb_s WHERE ${on})
      UNION ALL SELECT ${updated} FROM "${target}" AS ebb_t JOIN merge_source AS ebb_s ON ${on} WHERE ${stays}
      UNION ALL SELECT ${inserts["values"]!} FROM merge_source AS ebb_s
        WHERE ${inserts["when"] ?? "true"} AND NOT EXISTS (SELECT 1 FROM "${target}" AS ebb_t WHERE ${on})`);
    await engine.rows(`DROP TABLE "${target}"`);
    await engine.rows(`ALTER TABLE merge_target RENAME TO "${target}"`);
    await engine.rows("DROP TABLE merge_source");
  };

  const create = async (sql: string): Promise<void> => {
    const [, name, columns] = /^CREATE TABLE IF NOT EXISTS `(\w+)` \(\n([\s\S]*?)\n\)\nLOCATION/.exec(sql)!;
    const declared = columns!.split(",\n").map((line) => {
      const [, column, type] = /^ {2}`(\w+)` (.+)$/.exec(line)!;
      return `"${column}" ${trinoTypes[type!] ?? type!}`;
    });
    await engine.rows(`CREATE TABLE IF NOT EXISTS "${name}" (${declared.join(", ")})`);
  };

  /** Rows that a condition is true of go. */
  const remove = async (sql: string): Promise<void> => {
    await engine.rows(`PREPARE deleting FROM ${sql}`);
    const [, table, condition] = /^DELETE FROM "(\w+)" WHERE ([\s\S]+)$/.exec(sql)!;
    await engine.rows(`CREATE TABLE kept_rows AS SELECT * FROM "${table}" WHERE NOT coalesce(${condition}, false)`);
    await engine.rows(`DROP TABLE "${table}"`);
    await engine.rows(`ALTER TABLE kept_rows RENAME TO "${table}"`);
  };

  const query = async (sql: string): Promise<QueryResult> => {
    statements.push(sql);
    await showStaged();
    if (sql.startsWith("MERGE ")) await merge(sql);
    else if (sql.startsWith("CREATE TABLE ")) await create(sql);
    else if (sql.startsWith("DELETE ")) await remove(sql);
    // Iceberg's own, of Athena's words: nothing of what a reader sees.
    else if (/^(?:OPTIMIZE "\w+" REWRITE DATA USING BIN_PACK|VACUUM "\w+")$/.test(sql))
      return { columns: [], rows: [] };
    else if (sql.startsWith("SELECT")) {
      const { columns, rows } = await engine.rows(sql);
      return { columns: columns.map(({ name }) => ({ name, type: "varchar" })), rows: rows as SqlValue[][] };
    } else await engine.rows(sql.replaceAll("`", '"'));
    return { columns: [], rows: [] };
  };
  const byToken = new Map<string, Promise<QueryResult>>();
  const long: LongStatements = {
    begin: async (sql, token) => {
      const running = byToken.get(token) ?? query(sql);
      byToken.set(token, running);
      await running.catch(() => undefined);
      return token;
    },
    answer: async (id) => await byToken.get(id),
  };
  return { queries: { dialect: trino, query }, long, statements };
};

/** The rows of a table or view, every value as text; `undefined` where there is none of that name. */
export const readAsText = async (engine: Engine, name: string): Promise<readonly (string | null)[][] | undefined> => {
  const { rows: there } = await engine.rows(
    `SELECT column_name FROM information_schema.columns WHERE table_schema = 'default' AND table_name = '${name}' ORDER BY ordinal_position`,
  );
  if (there.length === 0) return undefined;
  const columns = there.map(([column]) => `CAST("${column as string}" AS varchar) AS "${column as string}"`);
  return (await engine.rows(`SELECT ${columns.join(", ")} FROM "${name}"`)).rows as (string | null)[][];
};
