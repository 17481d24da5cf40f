/** Pieces of SQL that the readers of relational databases share. Values are quoted by each reader's own client. */
import type { Page, Position, ReadPlan } from "../source-ports.ts";

export interface SqlWords {
  readonly name: (identifier: string) => string;
  readonly value: (text: string) => string;
}

export const fromOf = ({ from }: ReadPlan, { name }: SqlWords): string =>
  "table" in from ? from.table.split(".").map(name).join(".") : `(${from.query.trim().replace(/;$/, "")}) AS ebb_rows`;

/**
 * Rows after a position in the order of some columns, written out: row comparisons use no index on MySQL.
 * (a, b) > (x, y) is a >= x AND (a > x OR (a = x AND b > y)).
 */
export const afterSql = (columns: readonly string[], values: readonly string[], { name, value }: SqlWords): string => {
  const [first] = columns;
  const clause = columns
    .map((column, index) => {
      const equal = columns.slice(0, index).map((before, at) => `${name(before)} = ${value(values[at]!)}`);
      return `(${[...equal, `${name(column)} > ${value(values[index]!)}`].join(" AND ")})`;
    })
    .join(" OR ");
  return columns.length === 1 ? clause : `${name(first!)} >= ${value(values[0]!)} AND (${clause})`;
};

/**
 * WHERE and ORDER BY of one page. Rows without a watermark cannot tell that they changed: they come first, at every
 * load, in a phase of their own that ends with its first short page.
 */
export const pageSql = (plan: ReadPlan, page: Page, phase: "null" | "rest", words: SqlWords): string => {
  const { watermark, key } = plan;
  const after = page.after;
  const conditions: string[] = [];
  const order = phase === "rest" && watermark !== undefined ? [watermark, ...key] : key;
  if (watermark !== undefined)
    conditions.push(
      phase === "null"
        ? `${words.name(watermark)} IS NULL`
        : page.since === undefined
          ? `${words.name(watermark)} IS NOT NULL`
          : `${words.name(watermark)} >= ${words.value(page.since)}`,
    );
  if (after !== undefined && phaseOf(after) === phase)
    conditions.push(
      afterSql(
        order,
        [...(phase === "rest" && watermark !== undefined ? [after.watermark!] : []), ...after.key],
        words,
      ),
    );
  const where = conditions.length === 0 ? "" : ` WHERE ${conditions.map((one) => `(${one})`).join(" AND ")}`;
  return `${where} ORDER BY ${order.map(words.name).join(", ")} LIMIT ${page.limit}`;
};

/** Rows without a watermark are the first phase of a plan that has one. */
export const phaseOf = (after: Position): "null" | "rest" => (after.watermark === null ? "null" : "rest");
