/** Which tables of declared sources tell a run of products and of customers. */
import type { ToldTable } from "@ebb/lake/batch/told-tables";
import type { SourceStore } from "@ebb/ports/source-ports";
import type { Source } from "../sources.ts";
import type { SourceLoads } from "./compare-loads.ts";
import { columnOfField, columnOfRole } from "./roles.ts";

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
  columnsOf: (table: string) => Promise<ToldTable["columns"] | undefined>,
): Promise<readonly ToldTable[]> => {
  const told: ToldTable[] = [];
  for (const source of sources) {
    const declared = declaredBy(source);
    if (declared === undefined) continue;
    const columns = await columnsOf(declared.table);
    const loadedAtMs = (await store.get(source.spec.name))?.loadedAtMs;
    if (columns !== undefined && loadedAtMs !== undefined) told.push({ ...declared, columns, loadedAtMs });
  }
  return told;
};

/** What does not depend on a load; `undefined` for a source that tells of something else. */
const declaredBy = (source: Source): Omit<ToldTable, "columns" | "loadedAtMs"> | undefined => {
  if (source.kind === "objects") return undefined;
  const { name, maps, fields, keep, key, currency } = source.spec;
  if (maps !== "products" && maps !== "profiles") return undefined;
  const columnOf = (field: string): string => {
    const role = Object.entries(fields).find(([, named]) => named === field)?.[0];
    return role === undefined ? columnOfField(field) : columnOfRole(role);
  };
  const watermark = source.kind === "relational" ? source.spec.watermark?.field : undefined;
  const chosen = new Set([...Object.values(fields), ...keep]);
  const besides = [...key, ...(watermark === undefined ? [] : [watermark])].filter((field) => !chosen.has(field));
  return {
    table: `source_${name}`,
    maps,
    source: source.spec.source,
    besides: besides.map(columnOf),
    ...(watermark === undefined ? {} : { toldAt: columnOf(watermark) }),
    ...(currency === undefined ? {} : { currency }),
  };
};
