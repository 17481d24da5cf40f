/**
 * How the tables that sources fill forget in AWS: rows that name a person, and the lines of that person's orders, by DELETE
 * of Athena's; the files are made anew at once, and their bytes go with the older snapshots, at the table's next upkeep.
 */
import { buffer } from "node:stream/consumers";
import { gunzipSync, gzipSync } from "node:zlib";
import type { Removal } from "@ebb/core/erasure";
import { type Eraser, type Subject, setsOf } from "../erasure-ports.ts";
import { readJson } from "../json-objects.ts";
import { PersonFinder } from "../person-finder.ts";
import { ObjectNotFound, type ObjectStore, type QueryEngine } from "../ports.ts";
import { optimizeStatement, textLiteral, vacuumStatement } from "./athena-statements.ts";
import { chunksOf } from "./errors.ts";
import { STAGING_PREFIX, TABLES_PREFIX } from "./source-statements.ts";
import type { TableDocument } from "./source-tables.ts";

export interface SourceEraserParts {
  readonly queries: QueryEngine;
  /** The lake's bucket. */
  readonly objects: Pick<ObjectStore, "list" | "get" | "put">;
}

/** Keys of one statement: its text is bounded. */
const KEYS_AT_ONCE = 1_000;

interface Place {
  /** As SQL names it. */
  readonly name: string;
  readonly physical: string;
  /** Which of its rows name one of the keys: a condition. */
  readonly holds: (keys: readonly string[]) => string;
}

const PERSONAL = ["customer_key", "anonymous_key"];

const documentsOf = async (objects: SourceEraserParts["objects"]): Promise<Map<string, TableDocument>> => {
  const documents = new Map<string, TableDocument>();
  for await (const key of objects.list(TABLES_PREFIX)) {
    const document = await readJson<TableDocument>(objects, key);
    if (document !== undefined) documents.set(key.slice(TABLES_PREFIX.length).replace(/\.json$/, ""), document);
  }
  return documents;
};

const among = (columns: readonly string[], keys: readonly string[]): string =>
  columns.map((name) => `"${name}" IN (${keys.map(textLiteral).join(", ")})`).join(" OR ");

/** Lines before their orders: those tell whose the lines are. */
const placesOf = (documents: ReadonlyMap<string, TableDocument>): Place[] => {
  const personal = ({ columns }: TableDocument): string[] =>
    PERSONAL.filter((name) => columns.some((column) => column.name === name));
  const lines: Place[] = [];
  const rows: Place[] = [];
  for (const [name, document] of documents) {
    const { physical, parent } = document;
    const owner = parent === undefined ? undefined : documents.get(parent.table);
    if (owner !== undefined && personal(owner).length > 0)
      lines.push({
        name,
        physical,
        holds: (keys) =>
          `"${parent!.column}" IN (SELECT "${parent!.key}" FROM "${owner.physical}" WHERE ${among(personal(owner), keys)})`,
      });
    const own = personal(document);
    if (own.length > 0) rows.push({ name, physical, holds: (keys) => among(own, keys) });
  }
  return [...lines, ...rows];
};

/**
 * A database that still has the person brings nobody back: a load leaves out who is on the list of suppressions. One that
 * was under way when the list was written may: what it leaves is found when the places are looked through again.
 */
export const sourceTablesEraser = ({ queries, objects }: SourceEraserParts): Eraser => {
  const held = async ({ physical, holds }: Place, keys: readonly string[]): Promise<number> => {
    const [[count] = []] = (await queries.query(`SELECT count(*) FROM "${physical}" WHERE ${holds(keys)}`)).rows;
    return Number(count ?? 0);
  };
  const each = async (
    subjects: readonly Subject[],
    use: (place: Place, keys: readonly string[], count: number) => Promise<void>,
  ): Promise<void> => {
    const places = placesOf(await documentsOf(objects));
    for (const place of places)
      for (const keys of chunksOf([...setsOf(subjects).erased], KEYS_AT_ONCE)) {
        const count = await held(place, keys);
        if (count > 0) await use(place, keys, count);
      }
  };
  return {
    name: "tables of sources",
    survey: async (subjects) => {
      const removals: Removal[] = [];
      await each(subjects, async ({ name }, _keys, count) => void removals.push({ store: name, count }));
      for await (const { rows } of stagedWith(objects, new PersonFinder(subjects)))
        removals.push({ store: "loads under way", count: rows });
      return removals;
    },
    erase: async (subjects) => {
      const emptied = new Set<string>();
      await each(subjects, async ({ physical, holds }, keys) => {
        await queries.query(`DELETE FROM "${physical}" WHERE ${holds(keys)}`);
        emptied.add(physical);
      });
      for (const physical of emptied)
        for (const sql of [optimizeStatement(physical), vacuumStatement(physical)]) await queries.query(sql);
      for await (const { key, kept } of stagedWith(objects, new PersonFinder(subjects)))
        await objects.put(key, gzipSync(kept));
    },
  };
};

interface StagedPart {
  readonly key: string;
  /** Rows about a subject. */
  readonly rows: number;
  /** The text without them. Lines of their orders go when the load commits: they belong to no order then. */
  readonly kept: string;
}

/** Parts that a load has read and not committed yet, with which it goes on. */
async function* stagedWith(
  objects: Pick<ObjectStore, "list" | "get">,
  finder: PersonFinder,
): AsyncIterable<StagedPart> {
  for await (const key of objects.list(STAGING_PREFIX)) {
    const text = await objects.get(key).then(
      async (body) => gunzipSync(await buffer(body)).toString("utf8"),
      (error: unknown) => {
        if (error instanceof ObjectNotFound) return ""; // its load has ended meanwhile
        throw error;
      },
    );
    if (!finder.names(text)) continue;
    // A line's end within a cell is two characters of JSON.
    const all = text.split(/(?<=\n)/);
    const kept = all.filter((row) => !finder.names(row));
    yield { key, rows: all.length - kept.length, kept: kept.join("") };
  }
}
