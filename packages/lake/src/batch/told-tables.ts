/**
 * What tables of declared sources tell of products and customers. Their columns are declared where the program runs: the
 * SQL is rendered from a list of them, and what it leaves has fixed columns. A source's table knows how things are now;
 * each run keeps what differs from what it found before, with the time, so that there is a history.
 */
import type { BatchParameters, BatchTable } from "../batch-table.ts";
import type { Dialect } from "../dialect.ts";
import type { ViewColumn } from "../table.ts";
import { cutoffMsOf } from "./customer-features.ts";
import { dayOf, textLiteral, timestampLiteral, trimmed } from "./literals.ts";

/** A table of a declared source, as a load left it. */
export interface ToldTable {
  /** `source_<name>` */
  readonly table: string;
  readonly maps: "products" | "profiles";
  /** Source of the events that it belongs to. */
  readonly source: string;
  /** Columns of the lake by name; a decimal as `decimal(12,2)`. */
  readonly columns: Readonly<Record<string, string>>;
  /** Columns that are part of its key, or of how it is read: they say nothing of a customer. */
  readonly besides?: readonly string[] | undefined;
  /** The column with the time at which a row changed; the load's time counts where there is none. */
  readonly toldAt?: string | undefined;
  /** Of prices, where no column says it. */
  readonly currency?: string | undefined;
  /** Epoch milliseconds at which the last load ended. */
  readonly loadedAtMs: number;
}

/** The whole row: it is there. */
export const PRESENT = "*";

const NAME = /^[a-z_][a-z0-9_]*$/;

/** The tables that tell of something, each column of a plain name; `undefined` where nobody knows which there are. */
const toldOf = ({ documents }: BatchParameters, maps: ToldTable["maps"]): readonly ToldTable[] | undefined => {
  const all = documents?.["told"] as readonly ToldTable[] | undefined;
  return all?.filter((one) => one.maps === maps && NAME.test(one.table));
};

const plainColumns = ({ columns }: ToldTable): string[] => Object.keys(columns).filter((name) => NAME.test(name));

/** Text that every engine writes alike; NULL for what is empty. */
const textOf = (m: Dialect, name: string, type: string): string => {
  if (type === "string") return `nullif(${trimmed(name)}, '')`;
  if (type === "timestamp") return m.dayText(m.truncDay(name));
  if (type === "double") return `CAST(TRY_CAST(${name} AS decimal(18,6)) AS varchar(4000))`;
  return `CAST(${name} AS varchar(4000))`;
};

const timeOf = (m: Dialect, { toldAt, columns, loadedAtMs }: ToldTable): string => {
  const loaded = timestampLiteral(loadedAtMs);
  const type = toldAt === undefined ? undefined : columns[toldAt];
  if (type === "timestamp") return `coalesce(${m.fromEpochMs(m.epochMs(toldAt!))}, ${loaded})`;
  return type === "date" ? `coalesce(CAST(${toldAt!} AS timestamp), ${loaded})` : loaded;
};

/** What a table of values is about. */
interface Subject {
  readonly name: string;
  readonly grain: string;
  readonly maps: ToldTable["maps"];
  /** Columns that tell things apart besides who told it and of which attribute. */
  readonly id: readonly string[];
  readonly columns: Readonly<Record<string, ViewColumn>>;
  /** SELECTs of `id`, told_by, attribute, value and told_at. */
  readonly selects: (m: Dialect, told: ToldTable) => readonly string[];
}

const lookTable = ({ name, grain, maps, id, columns, selects }: Subject): BatchTable => {
  const key = [...id, "told_by", "attribute"];
  return {
    name,
    grain,
    key: ["cutoff", ...key],
    columns: {
      ...columns,
      told_by: { type: "string", description: "The table of the declared source" },
      attribute: { type: "string", description: "The column; `*` for the row as a whole" },
      value: { type: "string", description: "What it says from then on; NULL where it says it no longer" },
      told_at: { type: "timestamp", description: "UTC; when the row changed, where the source says so, else the load" },
      cutoff: { type: "string", description: "UTC day of the run that found it, YYYY-MM-DD (partition)" },
    },
    partitionedBy: "cutoff",
    reads: [name],
    engine: "athena",
    sql: (m, parameters) => {
      const day = dayOf(cutoffMsOf(parameters));
      const told = toldOf(parameters, maps);
      const listed = key.join(", ");
      const before = `
  SELECT ${listed}, value
  FROM (
    SELECT ${listed}, value, row_number() OVER (PARTITION BY ${listed} ORDER BY cutoff DESC) AS turn
    FROM ${name}
    WHERE cutoff < '${day}'
  ) AS looked
  WHERE turn = 1 AND value IS NOT NULL`;
      const nothing = `SELECT ${listed}, value, told_at FROM ${name} WHERE cutoff < ''`;
      const now = (told ?? []).flatMap((one) => selects(m, one));
      const ended = (told ?? []).map(({ table, loadedAtMs }) => `WHEN '${table}' THEN ${timestampLiteral(loadedAtMs)}`);
      const gone = timestampLiteral(Date.parse(day));
      return `
WITH told AS (
  ${now.length === 0 ? nothing : now.join("\n  UNION ALL ")}
),
now_told AS (
  SELECT ${listed}, value, told_at
  FROM (
    SELECT told.*, row_number() OVER (PARTITION BY ${listed} ORDER BY told_at DESC, value DESC) AS turn
    FROM told
    WHERE value IS NOT NULL AND ${id.map((column) => `${column} IS NOT NULL`).join(" AND ")}
  ) AS in_turn
  WHERE turn = 1
),
told_before AS (${before}
)
SELECT
  ${key.map((column) => `coalesce(n.${column}, b.${column}) AS ${column}`).join(", ")},
  n.value,
  coalesce(n.told_at, ${ended.length === 0 ? gone : `CASE b.told_by ${ended.join(" ")} ELSE ${gone} END`}) AS told_at,
  '${day}' AS cutoff
FROM now_told AS n
FULL OUTER JOIN told_before AS b ON ${key.map((column) => `b.${column} = n.${column}`).join(" AND ")}
WHERE ${told === undefined ? "false" : "n.value IS NULL OR b.value IS NULL OR n.value <> b.value"}`;
    },
    tests: {
      "one value an attribute and run": `
      SELECT attribute FROM ${name} GROUP BY cutoff, ${listedOf(key)} HAVING count(*) > 1`,
      "nothing is without who told it and when": `
      SELECT attribute FROM ${name} WHERE told_by IS NULL OR told_at IS NULL OR attribute IS NULL`,
    },
  };
};
const listedOf = (key: readonly string[]): string => key.join(", ");

/** Attributes of a product that a source may tell, besides its price. */
export const toldAttributes = ["sku", "name", "category", "brand"] as const;

export const catalogueValues: BatchTable = lookTable({
  name: "catalogue_values",
  grain:
    "one row per run, declared source, product, attribute and currency that the run found to be another than before",
  maps: "products",
  id: ["source", "product_id", "currency"],
  columns: {
    source: { type: "string", description: "Source of the events that the declared source belongs to" },
    product_id: { type: "string", description: "As the declared source has it" },
    currency: { type: "string", description: "Of a price; empty of others, and where none was told" },
  },
  selects: (m, told) => {
    const known = plainColumns(told);
    if (!known.includes("product_id")) return [];
    const text = (name: string): string => textOf(m, name, told.columns[name]!);
    const select = (attribute: string, value: string, currency = "''"): string =>
      `SELECT ${textLiteral(told.source)} AS source, ${text("product_id")} AS product_id, ${currency} AS currency,
    '${told.table}' AS told_by, '${attribute}' AS attribute, ${value} AS value, ${timeOf(m, told)} AS told_at
  FROM ${told.table}`;
    const currency = known.includes("currency")
      ? `coalesce(upper(${text("currency")}), '')`
      : textLiteral(told.currency ?? "");
    return [
      select(PRESENT, "'true'"),
      ...toldAttributes.filter((name) => known.includes(name)).map((name) => select(name, text(name))),
      ...(known.includes("price")
        ? [select("price", "CAST(TRY_CAST(price AS decimal(18,6)) AS varchar(4000))", currency)]
        : []),
    ];
  },
});

export const profileValues: BatchTable = lookTable({
  name: "profile_values",
  grain: "one row per run, declared source, customer and attribute that the run found to be another than before",
  maps: "profiles",
  id: ["customer_key"],
  columns: { customer_key: { type: "string", description: "Pseudonym" } },
  selects: (m, told) => {
    const known = plainColumns(told);
    if (!known.includes("customer_key")) return [];
    const apart = new Set(["customer_key", told.toldAt, ...(told.besides ?? [])]);
    const select = (attribute: string, value: string): string =>
      `SELECT customer_key, '${told.table}' AS told_by, '${attribute}' AS attribute, ${value} AS value, ${timeOf(m, told)} AS told_at
  FROM ${told.table}`;
    return [
      select(PRESENT, "'true'"),
      ...known
        .filter((name) => !apart.has(name))
        .map((name) => select(name === "country" ? name : `trait.${name}`, textOf(m, name, told.columns[name]!))),
    ];
  },
});

export const toldTables: readonly BatchTable[] = [catalogueValues, profileValues];
