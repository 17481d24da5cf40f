/** Sums over the lines of an order, row by row: the lines need not be taken apart for them. */
import type { Dialect } from "../dialect.ts";

/** The kinds of thing that a line may be about, from the surest name to the last resort. */
const identity = (line: string): string => `coalesce(${line}.product_id, ${line}.sku, ${line}.name)`;
const category = (line: string): string => `${line}.category`;

const distinct: Record<Dialect["name"], (value: (line: string) => string) => string> = {
  // list_unique leaves NULL out. Hashes take four fifths of the texts' time; two alike in one order are one in 10^18.
  duckdb: (value) =>
    `list_unique(list_transform(lines, lambda line: CASE WHEN ${value("line")} IS NOT NULL THEN hash(${value("line")}) END))`,
  trino: (value) =>
    `cardinality(array_distinct(filter(transform(lines, line -> ${value("line")}), found -> found IS NOT NULL)))`,
  spark: (value) =>
    `size(array_distinct(filter(transform(lines, line -> ${value("line")}), found -> found IS NOT NULL)))`,
};

/** Σ of a field; NULL for a list that is none, and of an empty one on DuckDB. */
const sumOf = (field: string, type: string): Record<Dialect["name"], string> => ({
  duckdb: `list_sum(list_transform(lines, lambda line: line.${field}))`,
  trino: `reduce(lines, CAST(0 AS ${type}), (total, line) -> CAST(total + line.${field} AS ${type}), total -> total)`,
  spark: `aggregate(lines, CAST(0 AS ${type}), (total, line) -> CAST(total + line.${field} AS ${type}))`,
});
const units = sumOf("quantity", "decimal(38,6)");
const minor = sumOf("total_minor", "decimal(38,6)");

/** Sums that say which sign the lines of a refund have. */
export const lineTotals = ({ name }: Dialect) => ({ minorSum: minor[name], quantitySum: units[name] });

const count: Record<Dialect["name"], string> = {
  duckdb: "len(lines)",
  trino: "cardinality(lines)",
  spark: "size(lines)",
};

/** Of an event without lines all are 0. */
const orZero = (value: string): string => `CASE WHEN lines IS NULL THEN 0 ELSE ${value} END`;

/** Expressions over a row with `lines`. */
export const lineSums = ({ name }: Dialect) => ({
  /** decimal(18,6); NULL for a sum beyond it. */
  units: `TRY_CAST(${orZero(`coalesce(${units[name]}, 0)`)} AS decimal(18,6))`,
  lineCount: `CAST(${orZero(count[name])} AS bigint)`,
  productCount: `CAST(${orZero(distinct[name](identity))} AS bigint)`,
  categoryCount: `CAST(${orZero(distinct[name](category))} AS bigint)`,
});

const said = ["product_id", "sku", "name", "quantity", "unit_price", "occurred_at"];
const fields = (of: (field: string) => string): string => said.map(of).join(", ");

/**
 * Lines of a list that say what another one of it has said: product, SKU, name, quantity, unit price and time. bigint.
 * Of a row with its `line_count` and `product_count`: where each line is of another product there is none, and none is
 * looked at.
 */
export const repeatedLines = ({ name }: Dialect): string => {
  const distinctLines = {
    // A list of structs takes four times as long to compare; two of a few lines with the same 64 bits are one in 10^18.
    duckdb: `len(list_distinct(list_transform(lines, lambda line: hash(${fields((field) => `line.${field}`)}))))`,
    trino: `cardinality(array_distinct(transform(lines, line -> ROW(${fields((field) => `line.${field}`)}))))`,
    spark: `size(array_distinct(transform(lines, line -> struct(${fields((field) => `line.${field}`)}))))`,
  };
  return `CAST(CASE WHEN line_count > product_count THEN ${count[name]} - ${distinctLines[name]} ELSE 0 END AS bigint)`;
};
