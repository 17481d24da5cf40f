/** Which tables of declared sources tell a run of products and of customers. */
import type { ToldTable } from "@ebb/lake/batch/told-tables";
import type { SourceStore } from "@ebb/ports/source-ports";
import type { Source } from "../sources.ts";
import type { SourceLoads } from "./compare-loads.ts";
import { columnOfField, columnOfRole } from "./roles.ts";

/** A table that a source has filled. */
interface FilledTable {
  readonly columns: Readonly<Record<string, string>>;
  /** Epoch milliseconds at which the last load ended. */
  readonly loadedAtMs: number;
}

/** More than the last two loads: those that changed nothing left nothing to compare. */
const LOADS = 20;

/** How the last loads of each declared source ended. */
export const lastLoads = (
  sources: readonly Source[],
  store: Pick<SourceStore, "ends">,
): Promise<readonly SourceLoads[]> =>
  Promise.all(sources.map(async ({ spec: { name } }) => ({ name, ends: await store.ends(name, LOADS) })));

/** @param columnsOf a table's columns with the lake's types (`decimal(12,2)`); `undefined` for one that was never filled */
export const toldTablesOf = async (
  sources: readonly Source[],
  store: Pick<SourceStore, "get">,
  columnsOf: (table: string) => Promise<FilledTable["columns"] | undefined>,
): Promise<readonly ToldTable[]> => {
  const filled = new Map<string, FilledTable>();
  for (const { spec } of sources) {
    const columns = await columnsOf(`source_${spec.name}`);
    const loadedAtMs = (await store.get(spec.name))?.loadedAtMs;
    if (columns !== undefined && loadedAtMs !== undefined) filled.set(spec.name, { columns, loadedAtMs });
  }
  return toldBy(sources, filled);
};

const toldBy = (sources: readonly Source[], filled: ReadonlyMap<string, FilledTable>): readonly ToldTable[] =>
  sources.flatMap((source): ToldTable[] => {
    if (source.kind === "objects") return [];
    const { name, maps, fields, keep, key, currency } = source.spec;
    const table = filled.get(name);
    if (table === undefined || (maps !== "products" && maps !== "profiles")) return [];
    const columnOf = (field: string): string => {
      const role = Object.entries(fields).find(([, named]) => named === field)?.[0];
      return role === undefined ? columnOfField(field) : columnOfRole(role);
    };
    const watermark = source.kind === "relational" ? source.spec.watermark?.field : undefined;
    const chosen = new Set([...Object.values(fields), ...keep]);
    const besides = [...key, ...(watermark === undefined ? [] : [watermark])].filter((field) => !chosen.has(field));
    return [
      {
        table: `source_${name}`,
        maps,
        source: source.spec.source,
        columns: table.columns,
        besides: besides.map(columnOf),
        ...(watermark === undefined ? {} : { toldAt: columnOf(watermark) }),
        ...(currency === undefined ? {} : { currency }),
        loadedAtMs: table.loadedAtMs,
      },
    ];
  });
