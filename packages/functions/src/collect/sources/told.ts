/** Which tables of declared sources tell a run of products and of customers. */
import type { ToldTable } from "@ebb/lake/batch/told-tables";
import type { Source } from "../sources.ts";
import { columnOfField, columnOfRole } from "./roles.ts";

/** A table that a source has filled: columns by name, with the lake's types (`decimal(12,2)`). */
export interface FilledTable {
  readonly columns: Readonly<Record<string, string>>;
  /** Epoch milliseconds at which the last load ended. */
  readonly loadedAtMs: number;
}

/** @param filled by the name of the source; `undefined` for one that was never loaded */
export const toldTablesOf = (
  sources: readonly Source[],
  filled: (name: string) => FilledTable | undefined,
): readonly ToldTable[] =>
  sources.flatMap((source): ToldTable[] => {
    if (source.kind === "objects") return [];
    const { name, maps, fields, keep, key, currency } = source.spec;
    const table = filled(name);
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
