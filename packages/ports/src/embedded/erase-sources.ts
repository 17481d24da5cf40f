/** How the tables that sources fill forget: rows that name a person, and the lines of that person's orders. */
import { existsSync } from "node:fs";
import { readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Removal } from "@ebb/core/erasure";
import { type Eraser, type Subject, setsOf } from "../erasure-ports.ts";
import { PersonFinder } from "../person-finder.ts";
import { type LakeEraserParts, removalsOf, withEraser } from "./erase-lake.ts";
import type { Parentage, ParquetEraser } from "./erase-parquet.ts";
import { moveDurably } from "./lake-files.ts";
import { removeMadeOf } from "./source-ahead.ts";
import { type LoadedTable, SOURCE_MANIFEST_FILE, SOURCES_FOLDER, SourceManifest } from "./source-manifest.ts";
import { stagedRows } from "./source-text.ts";

type Rewritten = { readonly staged: string; readonly rows: number } | undefined;

/**
 * A database that still has the person brings nobody back: a load leaves out who is on the list of suppressions. One that
 * was under way when the list was written may: what it leaves is found when the places are looked through again.
 */
export const sourceTablesEraser = ({ folder, now }: Pick<LakeEraserParts, "folder" | "now">): Eraser => {
  const lake = path.join(folder, "lake");
  const fileOf = (name: string): string => path.join(lake, name);

  const withManifest = async <T>(
    subjects: readonly Subject[],
    work: (manifest: SourceManifest, eraser: ParquetEraser) => Promise<T>,
  ): Promise<T | undefined> => {
    if (!existsSync(path.join(lake, SOURCE_MANIFEST_FILE))) return undefined;
    const manifest = new SourceManifest(lake, { readOnly: false });
    try {
      return await withEraser(folder, setsOf(subjects), (eraser) => work(manifest, eraser));
    } finally {
      manifest.close();
    }
  };

  /** Of a table of lines: where the orders are that hold a subject; `undefined` of other tables. */
  const parentageOf = async (
    { parent }: LoadedTable,
    tables: readonly LoadedTable[],
    eraser: ParquetEraser,
  ): Promise<Parentage | undefined> => {
    if (parent === undefined) return undefined;
    const files = tables.find(({ name }) => name === parent.table)?.files ?? [];
    const held = await eraser.holding(files.map(fileOf));
    return { column: parent.column, key: parent.key, parents: held.map(({ file }) => file) };
  };

  return {
    name: "tables of sources",
    survey: async (subjects) => {
      const removals: Removal[] = [];
      await withManifest(subjects, async (manifest, eraser) => {
        const tables = manifest.tables();
        for (const table of tables) {
          removals.push(...removalsOf(table.name, await eraser.holding(table.files.map(fileOf))));
          const parentage = await parentageOf(table, tables, eraser);
          if (parentage === undefined) continue;
          const lines = await Promise.all(table.files.map((name) => eraser.childrenIn(fileOf(name), parentage)));
          const held = lines.filter((rows) => rows > 0).map((rows) => ({ rows }));
          removals.push(...removalsOf(table.name, held));
        }
      });
      const staged = await stagedFiles(lake, new PersonFinder(subjects));
      return [...removals, ...removalsOf("loads under way", staged)];
    },
    erase: async (subjects) => {
      await withManifest(subjects, async (manifest, eraser) => {
        const replace = async (name: string, made: Rewritten): Promise<void> => {
          if (made === undefined) return manifest.replace(name, undefined, now());
          const next = `${path.posix.dirname(name)}/erased-${now().toString(36)}-${path.posix.basename(name)}`;
          await moveDurably(made.staged, lake, next);
          manifest.replace(name, next, now());
        };
        const tables = manifest.tables();
        // Lines before their orders: those tell whose the lines are.
        for (const table of tables) {
          const parentage = await parentageOf(table, tables, eraser);
          if (parentage === undefined) continue;
          for (const name of table.files)
            if ((await eraser.childrenIn(fileOf(name), parentage)) > 0)
              await replace(name, await eraser.withoutChildren(fileOf(name), 0, parentage));
        }
        for (const { files } of manifest.tables()) {
          const held = new Set((await eraser.holding(files.map(fileOf))).map(({ file }) => file));
          for (const name of files)
            if (held.has(fileOf(name))) await replace(name, await eraser.withoutRows(fileOf(name), 0));
        }
        for (const name of manifest.forget(Number.MAX_SAFE_INTEGER)) await rm(fileOf(name), { force: true });
      });
      const finder = new PersonFinder(subjects);
      const staged = await stagedFiles(lake, finder);
      const removeMade = async (): Promise<void> => {
        for (const folder of new Set(staged.map(({ file }) => path.dirname(file)))) await removeMadeOf(folder);
      };
      await removeMade(); // an erasure that ends half-way finds these parts no more
      for (const { file, kept } of staged) {
        await writeFile(`${file}.erasing`, kept, { flush: true });
        await rename(`${file}.erasing`, file);
      }
      await removeMade(); // what was made meanwhile
    },
  };
};

interface StagedFile {
  readonly file: string;
  /** Rows about a subject. */
  readonly rows: number;
  /** The text without them. Lines of their orders go when the load commits: they belong to no order then. */
  readonly kept: string;
}

/** Parts that a load has read and not committed yet, with which it goes on. */
const stagedFiles = async (lake: string, finder: PersonFinder): Promise<StagedFile[]> => {
  const staging = path.join(lake, SOURCES_FOLDER, "staging");
  const entries = await readdir(staging, { recursive: true, withFileTypes: true }).catch(() => []);
  const found: StagedFile[] = [];
  for (const entry of entries) {
    if (!entry.isFile() || !entry.name.endsWith(".tsv")) continue;
    const file = path.join(entry.parentPath, entry.name);
    const text = await readFile(file, "utf8").catch(() => ""); // its load has ended meanwhile
    if (!finder.names(text)) continue;
    const all = [...stagedRows(text)];
    const kept = all.filter((row) => !finder.names(row));
    found.push({ file, rows: all.length - kept.length, kept: kept.join("") });
  }
  return found;
};
