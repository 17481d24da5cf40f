/** A customer's contacts with support, from the tables that declared sources fill: as of their last loads. */
import type { Dialect } from "@ebb/lake/dialect";
import type { QueryEngine } from "@ebb/ports";
import type { CataloguedPort } from "../catalogue/catalogued.ts";
import { type MartRow, instantOf, numberOf, rowsOf, scalarText } from "./mart-handler.ts";

export interface SupportTable {
  readonly table: string;
  /** When it was loaded last: what it holds goes by it. */
  readonly loadedAtMs: number | undefined;
  /** Those of `channel` and `topic` that it has. */
  readonly words: readonly string[];
}

/** Filled tables of support contacts that say whose they are. */
export const supportTables = async ({ catalogued }: CataloguedPort): Promise<readonly SupportTable[]> => {
  if (catalogued === undefined) return [];
  const { sources, columnsOf, loadedAtMs } = await catalogued();
  const declared = sources.filter((source) => source.kind !== "objects" && source.spec.maps === "support_contacts");
  const found = await Promise.all(
    declared.map(async ({ spec: { name } }): Promise<SupportTable[]> => {
      const columns = await columnsOf(`source_${name}`);
      if (columns?.["customer_key"] === undefined) return [];
      const words = ["channel", "topic"].filter((word) => columns[word] !== undefined);
      return [{ table: `source_${name}`, loadedAtMs: await loadedAtMs(name), words }];
    }),
  );
  return found.flat();
};

export interface SupportEntry {
  readonly at: string;
  readonly kind: "support";
  readonly title: string;
}

export interface Support {
  readonly contacts: number;
  readonly lastAt?: string;
  /** The newest ones that say when they were. */
  readonly entries: readonly SupportEntry[];
}

const EACH = 200;

/** Of whatever type a team's columns are: what is no time is none. */
const contactsSql = (m: Dialect, { table, words }: SupportTable, customerKey: string): string => `
SELECT occurred_at, ${words.map((word) => `${word}, `).join("")}count(*) OVER () AS contacts, max(occurred_at) OVER () AS last_at
FROM (
  SELECT TRY_CAST(CAST(occurred_at AS varchar) AS timestamp) AS occurred_at${words.map((word) => `, CAST(${word} AS varchar) AS ${word}`).join("")}
  FROM ${table} WHERE customer_key = ${m.textLiteral(customerKey)}
) AS own
ORDER BY occurred_at DESC NULLS LAST
LIMIT ${EACH}`;

export const supportOf = async (
  queries: QueryEngine,
  tables: readonly SupportTable[],
  customerKey: string,
): Promise<Support> => {
  const each = await Promise.all(
    tables.map(async (table) => ({
      words: table.words,
      rows: await rowsOf(queries, contactsSql(queries.dialect, table, customerKey)),
    })),
  );
  const newest = each
    .flatMap(({ rows }) => instantOf(rows[0]?.["last_at"]) ?? [])
    .sort()
    .at(-1);
  return {
    contacts: each.reduce((sum, { rows }) => sum + numberOf(rows[0]?.["contacts"]), 0),
    ...(newest === undefined ? {} : { lastAt: newest }),
    entries: each.flatMap(({ rows, words }) => rows.flatMap((row) => entryOf(row, words))),
  };
};

const entryOf = (row: MartRow, words: readonly string[]): SupportEntry[] => {
  const at = instantOf(row["occurred_at"]);
  const said = words.flatMap((word) => scalarText(row[word]) ?? []).join(": ");
  return at === undefined ? [] : [{ at, kind: "support", title: said === "" ? "contact" : said }];
};
