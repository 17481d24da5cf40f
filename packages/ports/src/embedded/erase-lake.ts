/** How the lake of one machine forgets: files that hold a person are made anew, one after the other, and the old ones go. */
import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import type { AnonymousKey, CustomerKey } from "@ebb/core/ids";
import type { Removal } from "@ebb/core/erasure";
import { type Eraser, type LinkedVisitors, type Subject, type SubjectSets, setsOf } from "../erasure-ports.ts";
import { BATCH_MANIFEST_FILE, BatchManifest } from "./batch-manifest.ts";
import { ParquetEraser } from "./erase-parquet.ts";
import { fileName, moveDurably } from "./lake-files.ts";
import { LAKE_MANIFEST_FILE, LakeManifest } from "./lake-manifest.ts";
import { quoted } from "./parquet-conversion.ts";

/** Longer than an erasure takes; one that stopped for good lets files be merged again after this. */
const HELD_MS = 6 * 3_600_000;

export interface LakeEraserParts {
  /** The home's folder. */
  readonly folder: string;
  /** Brings all that the log holds into the lake, after which no merge of files is under way that began before. */
  readonly land: () => Promise<void>;
  readonly now: () => number;
}

export const scratchOf = (folder: string): string => path.join(folder, "lake", "erasing");

export const withEraser = async <T>(
  folder: string,
  sets: SubjectSets,
  work: (eraser: ParquetEraser) => Promise<T>,
): Promise<T> => {
  const eraser = await ParquetEraser.open(scratchOf(folder), sets);
  try {
    return await work(eraser);
  } finally {
    await eraser.close();
  }
};

const withManifest = async <T>(
  folder: string,
  work: (manifest: LakeManifest) => Promise<T>,
): Promise<T | undefined> => {
  const lake = path.join(folder, "lake");
  if (!existsSync(path.join(lake, LAKE_MANIFEST_FILE))) return undefined;
  const manifest = new LakeManifest(lake, { readOnly: false });
  try {
    return await work(manifest);
  } finally {
    manifest.close();
  }
};

export const rawEventsEraser = ({ folder, land, now }: LakeEraserParts): Eraser => {
  const lake = path.join(folder, "lake");
  return {
    name: "raw events",
    async survey(subjects) {
      await land();
      const held = await withManifest(folder, (manifest) =>
        withEraser(folder, setsOf(subjects), (eraser) =>
          eraser.holding(manifest.files().map(({ path: name }) => path.join(lake, name))),
        ),
      );
      return removalsOf("raw_events", held ?? []);
    },
    async erase(subjects) {
      await withManifest(folder, async (manifest) => {
        manifest.hold(now() + HELD_MS);
        await land(); // a merge that was under way has ended, and no other begins
        await withEraser(folder, setsOf(subjects), async (eraser) => {
          const files = new Map(manifest.files().map((file) => [path.join(lake, file.path), file] as const));
          for (const { file } of await eraser.holding([...files.keys()])) {
            const old = files.get(file)!;
            const made = (await eraser.withErasedEvents(file, old.bytes))!; // every row stays
            const name = `${path.posix.dirname(old.path)}/${fileName(old.firstSeq, old.lastSeq)}`;
            const bytes = await moveDurably(made.staged, lake, name);
            manifest.replace([old], { ...old, path: name, rows: made.rows, bytes }, now());
          }
        });
        // Also those that a merge replaced: a query that began before it fails, and may be asked again.
        const replaced = manifest.replaced();
        for (const name of replaced) await rm(path.join(lake, name), { force: true });
        manifest.forget(replaced);
        manifest.hold(0);
      });
    },
  };
};

export const removalsOf = (store: string, held: readonly { readonly rows: number }[]): Removal[] =>
  held.length === 0 ? [] : [{ store, objects: held.length, count: held.reduce((sum, { rows }) => sum + rows, 0) }];

const withBatch = async <T>(folder: string, work: (manifest: BatchManifest) => Promise<T>): Promise<T | undefined> => {
  const lake = path.join(folder, "lake");
  if (!existsSync(path.join(lake, BATCH_MANIFEST_FILE))) return undefined;
  const manifest = new BatchManifest(lake, { readOnly: false });
  try {
    return await work(manifest);
  } finally {
    manifest.close();
  }
};

/** The tables of batch runs that have rows of people. No run may be under way. */
export const batchTablesEraser = ({ folder, now }: Pick<LakeEraserParts, "folder" | "now">): Eraser => {
  const lake = path.join(folder, "lake");
  return {
    name: "tables of batch runs",
    survey: async (subjects) =>
      (await withBatch(folder, (manifest) =>
        withEraser(folder, setsOf(subjects), async (eraser) => {
          const tables = Map.groupBy(manifest.files(), ({ table }) => table);
          const removals: Removal[] = [];
          for (const [table, files] of tables)
            removals.push(
              ...removalsOf(table, await eraser.holding(files.map(({ path: name }) => path.join(lake, name)))),
            );
          return removals;
        }),
      )) ?? [],
    async erase(subjects) {
      await withBatch(folder, async (manifest) => {
        await withEraser(folder, setsOf(subjects), async (eraser) => {
          const files = new Map(manifest.files().map((file) => [path.join(lake, file.path), file] as const));
          for (const { file } of await eraser.holding([...files.keys()])) {
            const old = files.get(file)!;
            const made = await eraser.withoutRows(file, old.bytes);
            if (made === undefined) {
              manifest.replace(old.path, undefined, now());
              continue;
            }
            const name = `${path.posix.dirname(old.path)}/erased-${now().toString(36)}-${path.posix.basename(old.path)}`;
            const bytes = await moveDurably(made.staged, lake, name);
            manifest.replace(old.path, { path: name, rows: made.rows, bytes }, now());
          }
        });
        const replaced = manifest.replacedBefore(Number.MAX_SAFE_INTEGER);
        for (const name of replaced) await rm(path.join(lake, name), { force: true });
        manifest.forget(replaced, []);
        await rm(path.join(lake, "tables", ".staging"), { recursive: true, force: true });
      });
    },
  };
};

/** Exports of jobs: rows that a run handed to the program, kept for a run that goes on. */
export const exportsEraser = (folder: string): Eraser => {
  const root = path.join(folder, "objects");
  const files = async (): Promise<string[]> => {
    const entries = await readdir(path.join(root, "exports"), { recursive: true, withFileTypes: true }).catch(() => []);
    return entries
      .filter((entry) => entry.isFile() && entry.name.endsWith(".parquet"))
      .map((entry) => path.join(entry.parentPath, entry.name));
  };
  return {
    name: "exports of jobs",
    survey: (subjects) =>
      withEraser(folder, setsOf(subjects), async (eraser) =>
        removalsOf("exports of jobs", await eraser.holding(await files())),
      ),
    erase: (subjects) =>
      withEraser(folder, setsOf(subjects), async (eraser) => {
        for (const { file } of await eraser.holding(await files())) {
          const made = await eraser.withoutRows(file, 0);
          if (made === undefined) await rm(file);
          else await moveDurably(made.staged, root, path.relative(root, file).split(path.sep).join("/"));
        }
      }),
  };
};

/** Uploads that brought events of the subjects. */
export const uploadsOf = async (folder: string, subjects: readonly Subject[]): Promise<string[]> =>
  (await withManifest(folder, (manifest) =>
    withEraser(folder, setsOf(subjects), async (eraser) => {
      const held = await eraser.holding(manifest.files().map(({ path: name }) => path.join(folder, "lake", name)));
      if (held.length === 0) return [];
      const rows = await eraser.rows(
        `SELECT DISTINCT receipt_id FROM read_parquet([${held.map(({ file }) => quoted(file)).join(", ")}],
           hive_partitioning = false, union_by_name = true)
         WHERE starts_with(receipt_id, 'upl_') AND (customer_key IN (SELECT key FROM gone) OR anonymous_key IN (SELECT key FROM gone))`,
      );
      return rows.map(([id]) => String(id));
    }),
  )) ?? [];

interface Link {
  readonly customerKey: CustomerKey;
  readonly anonymousKey: AnonymousKey;
  readonly shared: boolean;
}

/** Who was seen as a customer: events that name both, whatever queries are shown. */
export const lakeVisitors = ({ folder, land }: Pick<LakeEraserParts, "folder" | "land">): LinkedVisitors => ({
  async of(customerKeys) {
    await land();
    const sets: SubjectSets = { customers: new Set(customerKeys), erased: new Set(customerKeys), shared: new Set() };
    const links = await withManifest(folder, async (manifest) => {
      const files = manifest.files().map(({ path: name }) => quoted(path.join(folder, "lake", name)));
      if (files.length === 0) return [];
      return await withEraser(folder, sets, async (eraser): Promise<Link[]> => {
        const rows = await eraser.rows(
          `WITH pairs AS (
             SELECT DISTINCT customer_key, anonymous_key
             FROM read_parquet([${files.join(", ")}], hive_partitioning = false, union_by_name = true)
             WHERE customer_key IS NOT NULL AND anonymous_key IS NOT NULL
           ),
           others AS (SELECT DISTINCT anonymous_key FROM pairs WHERE customer_key NOT IN (SELECT key FROM gone_customers))
           SELECT p.customer_key, p.anonymous_key, o.anonymous_key IS NOT NULL
           FROM pairs AS p LEFT JOIN others AS o ON o.anonymous_key = p.anonymous_key
           WHERE p.customer_key IN (SELECT key FROM gone_customers)
           ORDER BY 1, 2`,
        );
        return rows.map(([customerKey, anonymousKey, shared]) => ({
          customerKey: customerKey as CustomerKey,
          anonymousKey: anonymousKey as AnonymousKey,
          shared: shared === true,
        }));
      });
    });
    const byCustomer = Map.groupBy(links ?? [], ({ customerKey }) => customerKey);
    return customerKeys.map((customerKey) => {
      const own = byCustomer.get(customerKey) ?? [];
      return {
        customerKey,
        anonymousKeys: own.filter(({ shared }) => !shared).map(({ anonymousKey }) => anonymousKey),
        sharedAnonymousKeys: own.filter(({ shared }) => shared).map(({ anonymousKey }) => anonymousKey),
      };
    });
  },
});
