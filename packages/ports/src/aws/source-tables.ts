/**
 * Tables that sources fill, in the lake of AWS: parts are staged as objects, and one MERGE of Athena's, which is one commit
 * of Iceberg's, puts them over what is there. Readers know a table by a view: where its columns change there is another
 * table behind it, filled before the view shows it, so that nobody ever sees one that is half made.
 */
import { Readable, pipeline } from "node:stream";
import { createGzip } from "node:zlib";
import { digest } from "@ebb/core/ids";
import { heldOf } from "../held-columns.ts";
import { readJson } from "../json-objects.ts";
import type { CommittedTable, HeldColumn, Row, SourceCommit, SourceTable, SourceTables } from "../source-ports.ts";
import { SourceProblem } from "../source-ports.ts";
import { type ObjectStore, type QueryEngine, type SqlValue, TransientError } from "../ports.ts";
import { optimizeStatement, vacuumStatement } from "./athena-statements.ts";
import { BegunStatements, type LongStatements } from "./begun-statements.ts";
import { QueryFailed } from "./query-engine.ts";
import {
  STAGING_PREFIX,
  type Standing,
  checkStatement,
  countsStatement,
  createStatement,
  dropStatement,
  keysName,
  lineCountsStatement,
  mergeLinesStatement,
  mergeStatement,
  removedStatement,
  repeatedStatement,
  strictColumns,
  tableDocumentKey,
  viewStatement,
} from "./source-statements.ts";

/** A table that is replaced stays this long for queries that began before: no query runs longer. */
const REPLACED_KEPT_MS = 3_600_000;
/** Small files are joined, and what was deleted forgotten, this often. */
const UPKEEP_MS = 86_400_000;

/** What is known of a table: an object of JSON. */
export interface TableDocument {
  readonly physical: string;
  readonly columns: Standing["columns"];
  /** The load that changed it last. */
  readonly load: string;
  readonly keptUpAtMs: number;
  /** Behind the view before, and since when no more. */
  readonly replaced: readonly { readonly physical: string; readonly atMs: number }[];
  /** Of a table of lines: whose rows its rows belong to. */
  readonly parent?: { readonly table: string; readonly column: string; readonly key: string };
}

export interface LakeTablesParts {
  /** Of definitions and upkeep, which are short or may fail. */
  readonly queries: QueryEngine;
  /** Of a commit, which may be long. */
  readonly statements: LongStatements;
  /** The lake's bucket. */
  readonly objects: Pick<ObjectStore, "put" | "get" | "list" | "delete">;
  /** Its URI, without a slash at its end. */
  readonly lake: string;
  readonly now: () => number;
}

const BLOCK_BYTES = 1 << 18;
const number = (value: SqlValue | undefined): number => Number(value ?? 0);

export class LakeSourceTables implements SourceTables {
  readonly #parts: LakeTablesParts;

  constructor(parts: LakeTablesParts) {
    this.#parts = parts;
  }

  async stage(loadId: string, table: SourceTable, part: number, rows: AsyncIterable<readonly Row[]>): Promise<number> {
    return await this.#write(loadId, table.name, part, rows);
  }

  async stageKeys(loadId: string, table: SourceTable, rows: AsyncIterable<readonly Row[]>): Promise<number> {
    return await this.#write(loadId, keysName(table), 0, rows);
  }

  async *removed(
    commit: SourceCommit,
    columns: readonly string[],
    remainingMs?: () => number,
  ): AsyncIterable<readonly Row[]> {
    const standing = await this.#document(commit.table.name);
    if (standing === undefined || (commit.mode === "merge" && !commit.keysStaged)) return;
    const begun = await this.#begun(commit, remainingMs);
    await this.#check(begun, commit, commit.table);
    const { rows } = await begun.ask(removedStatement(commit, standing, columns));
    yield rows as readonly Row[];
  }

  async commit(commit: SourceCommit, remainingMs?: () => number): Promise<readonly CommittedTable[]> {
    const { table, lines } = commit;
    const standing = await this.#document(table.name);
    if (standing?.load === commit.loadId) return []; // it was committed before a crash could note it down
    const begun = await this.#begun(commit, remainingMs);
    const staged = await this.#check(begun, commit, table);
    if (lines !== undefined) await this.#check(begun, commit, lines.table);
    const both = { rows: standing, lines: lines === undefined ? undefined : await this.#document(lines.table.name) };
    const committed = await this.#counted(begun, commit, both);
    const [rows] = committed;
    const isNew = standing?.physical !== physicalName(table);
    const changes = isNew || rows!.inserted + rows!.updated + rows!.deleted > 0;
    if (changes) await begun.ask(mergeStatement(commit, standing, await this.#made(table)));
    const withLines = lines !== undefined && (changes || staged > 0);
    if (withLines) await begun.ask(mergeLinesStatement(commit, both, await this.#made(lines.table)));
    // The rows' own document is last: it says that the commit is done.
    const shown: [SourceTable, TableDocument][] = [];
    if (withLines) shown.push([lines.table, await this.#show(commit, lines.table, both.lines)]);
    shown.push([table, await this.#show(commit, table, standing)]);
    await begun.forget();
    for (const [each, document] of shown) await this.#keepUp(each, document);
    return changes || withLines ? committed : committed.map(({ columns: _, ...counts }) => counts);
  }

  async discard(loadId: string): Promise<void> {
    const keys: string[] = [];
    for await (const key of this.#parts.objects.list(`${STAGING_PREFIX}load=${loadId}/`)) keys.push(key);
    if (keys.length > 0) await this.#parts.objects.delete(keys);
  }

  // ── staging ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** An object is there when its last byte is: a part that a stop cut off is nobody's. */
  async #write(loadId: string, name: string, part: number, rows: AsyncIterable<readonly Row[]>): Promise<number> {
    let count = 0;
    const lines = async function* (): AsyncIterable<string> {
      let text = "";
      for await (const block of rows) {
        count += block.length;
        for (const row of block) {
          text += `${JSON.stringify({ p: part, c: row })}\n`;
          if (text.length < BLOCK_BYTES) continue;
          yield text;
          text = "";
        }
      }
      if (text !== "") yield text;
    };
    const zipped = createGzip({ level: 1 });
    pipeline(Readable.from(lines()), zipped, () => undefined); // an error ends the reading below
    await this.#parts.objects.put(stagedKey(loadId, name, part), zipped);
    return count;
  }

  // ── what stands ──────────────────────────────────────────────────────────────────────────────────────────────────

  async #document(name: string): Promise<TableDocument | undefined> {
    return await readJson<TableDocument>(this.#parts.objects, tableDocumentKey(name));
  }

  async #begun({ table, loadId }: SourceCommit, remainingMs = () => Infinity): Promise<BegunStatements> {
    return await BegunStatements.of(this.#parts, notesKey(table.name), loadId, remainingMs);
  }

  async #run(sql: string): Promise<void> {
    await this.#parts.queries.query(sql);
  }

  /** The table behind the view, there and perhaps empty. */
  async #made(table: SourceTable): Promise<Standing> {
    const physical = physicalName(table);
    await this.#run(createStatement(physical, table, this.#parts.lake));
    return { physical, columns: table.columns };
  }

  /** The view shows the table, which is noted down with the load that made it so. */
  async #show(commit: SourceCommit, table: SourceTable, before: TableDocument | undefined): Promise<TableDocument> {
    const { now } = this.#parts;
    const physical = physicalName(table);
    const isOther = before?.physical !== physical;
    if (isOther) await this.#run(viewStatement(table, physical));
    const { lines } = commit;
    return await this.#note(table, {
      physical,
      columns: table.columns,
      load: commit.loadId,
      keptUpAtMs: before?.keptUpAtMs ?? now(),
      replaced: [
        ...(before?.replaced ?? []).filter((old) => old.physical !== physical),
        ...(isOther && before !== undefined ? [{ physical: before.physical, atMs: now() }] : []),
      ],
      ...(table === lines?.table
        ? { parent: { table: commit.table.name, column: lines.parent, key: lines.parentKey } }
        : {}),
    });
  }

  async #note({ name }: SourceTable, document: TableDocument): Promise<TableDocument> {
    await this.#parts.objects.put(tableDocumentKey(name), Buffer.from(JSON.stringify(document)));
    return document;
  }

  /** What nobody reads any more goes. The table is as it is to be: where this fails, the next load tries again. */
  async #keepUp(table: SourceTable, document: TableDocument): Promise<void> {
    const nowMs = this.#parts.now();
    const over = document.replaced.filter(({ atMs }) => nowMs - atMs > REPLACED_KEPT_MS);
    const isDue = nowMs - document.keptUpAtMs > UPKEEP_MS;
    if (over.length === 0 && !isDue) return;
    try {
      for (const { physical } of over) await this.#run(dropStatement(physical));
      if (isDue)
        for (const sql of [optimizeStatement(document.physical), vacuumStatement(document.physical)])
          await this.#run(sql);
    } catch (error) {
      if (error instanceof QueryFailed || error instanceof TransientError) return;
      throw error;
    }
    await this.#note(table, {
      ...document,
      keptUpAtMs: isDue ? nowMs : document.keptUpAtMs,
      replaced: document.replaced.filter((old) => !over.includes(old)),
    });
  }

  // ── before the commit ────────────────────────────────────────────────────────────────────────────────────────────

  /** How many rows are staged. @throws SourceProblem `bad_value` with the field, `not_unique` */
  async #check(begun: BegunStatements, { source, loadId, table }: SourceCommit, checked: SourceTable): Promise<number> {
    const [counts = []] = (await begun.ask(checkStatement(loadId, checked))).rows;
    const wrong = strictColumns(checked).find((_, at) => number(counts[at + 1]) > 0);
    if (wrong !== undefined)
      throw new SourceProblem(
        "bad_value",
        source,
        `a value of ${checked.name}.${wrong.name} is none of its column's type (${wrong.type}). Did the field's type change?`,
        { field: wrong.name },
      );
    // Lines have no key that tells one from all others.
    if (checked !== table) return number(counts[0]);
    const [[repeated] = []] = (await begun.ask(repeatedStatement(loadId, checked))).rows;
    if (number(repeated) > 0)
      throw new SourceProblem(
        "not_unique",
        source,
        `${number(repeated).toLocaleString("en")} values of the key ${checked.key.join(", ")} stand in more than one row: the key has to be unique.`,
        { field: checked.key[0] },
      );
    return number(counts[0]);
  }

  /** What the commit will do, as it was found when it was tried first. */
  async #counted(
    begun: BegunStatements,
    commit: SourceCommit,
    standing: { readonly rows: Standing | undefined; readonly lines: Standing | undefined },
  ): Promise<readonly CommittedTable[]> {
    if (begun.committed !== undefined) return begun.committed;
    const { table, lines } = commit;
    const [changes = []] = (await begun.ask(countsStatement(commit, standing.rows))).rows;
    const [inserted, deleted, updated, unchanged] = changes.map(number) as [number, number, number, number];
    const rows = inserted + updated + unchanged;
    const columns = heldIn(changes.slice(4), table, rows);
    const committed: CommittedTable[] = [{ name: table.name, rows, inserted, updated, deleted, unchanged, columns }];
    if (lines !== undefined) {
      const [found = []] = (await begun.ask(lineCountsStatement(commit, standing))).rows;
      const [before, after] = found.map(number) as [number, number];
      committed.push({
        name: lines.table.name,
        rows: after,
        inserted: Math.max(0, after - before),
        deleted: Math.max(0, before - after),
        updated: 0,
        unchanged: Math.min(after, before),
        columns: heldIn(found.slice(2), lines.table, after),
      });
    }
    await begun.found(committed);
    return committed;
  }
}

/** @param counted what `heldSql` counted */
const heldIn = (counted: readonly SqlValue[], table: SourceTable, rows: number): readonly HeldColumn[] => {
  const { columns } = table;
  const missing = new Map(columns.map(({ name }, at) => [name, number(counted[at])]));
  return heldOf(table, rows, (name) => missing.get(name)!, counted.slice(columns.length));
};

/** Another one where the columns are others. */
export const physicalName = ({ name, columns, key }: SourceTable): string =>
  `ebb_${name}_${digest(JSON.stringify([columns.map((column) => [column.name, column.type]), key])).slice(0, 8)}`;

const stagedKey = (loadId: string, name: string, part: number): string =>
  `${STAGING_PREFIX}load=${loadId}/name=${name}/${String(part).padStart(6, "0")}.json.gz`;
const notesKey = (name: string): string => `sources/commits/${name}.json`;
