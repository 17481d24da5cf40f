import type { Dialect } from "@ebb/lake/dialect";
import { dateLiteral, instantMs, textLiteral, timestampLiteral } from "@ebb/lake/batch/literals";

export interface SalesQuestion {
  readonly interval: "day" | "week" | "month" | "total";
  readonly by?: "country" | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly country?: string | undefined;
}

/** First day of the period that a date or timestamp falls into. Weeks begin on Monday (ISO 8601). */
const periodOf = (
  m: Dialect,
  { interval, from }: Pick<SalesQuestion, "interval" | "from">,
  instant: string,
): string => {
  switch (interval) {
    case "day":
      return m.truncDay(instant);
    case "week":
      return m.addDays(m.truncDay(instant), `1 - ${m.isoDow(instant)}`);
    case "month":
      return m.truncMonth(instant);
    case "total":
      return from === undefined ? "DATE '1970-01-01'" : dateLiteral(instantMs(from));
  }
};

/** Condition on a DATE column. */
export const withinDays = (
  column: string,
  { from, to, country }: Pick<SalesQuestion, "from" | "to" | "country">,
): string =>
  [
    ...(from === undefined ? [] : [`${column} >= ${dateLiteral(instantMs(from))}`]),
    ...(to === undefined ? [] : [`${column} < ${dateLiteral(instantMs(to))}`]),
    ...(country === undefined ? [] : [`country = ${textLiteral(country)}`]),
    "true",
  ].join(" AND ");

/**
 * Sums from `sales_daily`; customers, who do not add up over days and countries, from `order_facts`. A customer is new in
 * the period that holds the first counted order ever (`rfm_base`), wherever that was.
 */
export const salesSql = (m: Dialect, question: SalesQuestion): string => {
  const { from, to, country, by, interval } = question;
  const group = by === undefined ? "''" : "country";
  const isNew =
    interval === "total"
      ? from === undefined
        ? "true"
        : `first_at >= ${timestampLiteral(instantMs(from))}`
      : `${periodOf(m, question, "first_at")} = period`;
  const seenWithin = [
    ...(from === undefined ? [] : [`f.occurred_at >= ${timestampLiteral(instantMs(from))}`]),
    ...(to === undefined ? [] : [`f.occurred_at < ${timestampLiteral(instantMs(to))}`]),
    ...(country === undefined ? [] : [`coalesce(f.country, '') = ${textLiteral(country)}`]),
    "f.customer_key IS NOT NULL",
  ].join(" AND ");
  return `
WITH sums AS (
  SELECT
    ${periodOf(m, question, "day")} AS period, ${group} AS grouped,
    sum(orders) AS orders, sum(units) AS units, sum(gross_minor) AS gross_minor,
    sum(refund_minor) AS refund_minor, sum(net_minor) AS net_minor
  FROM sales_daily
  WHERE ${withinDays("day", { from, to, country })}
  GROUP BY 1, 2
),
firsts AS (
  SELECT customer_key AS buyer_key, first_order_at AS first_at FROM rfm_base WHERE first_order_at IS NOT NULL
),
seen AS (
  SELECT
    ${periodOf(m, question, "f.occurred_at")} AS period,
    ${by === undefined ? "''" : "coalesce(f.country, '')"} AS grouped,
    f.customer_key, f.counts, d.first_at
  FROM order_facts AS f
  LEFT JOIN firsts AS d ON d.buyer_key = f.customer_key
  WHERE ${seenWithin}
),
people AS (
  SELECT
    period, grouped,
    count(DISTINCT customer_key) AS active_customers,
    count(DISTINCT CASE WHEN counts AND ${isNew} THEN customer_key END) AS new_customers,
    count(DISTINCT CASE WHEN counts AND NOT (${isNew}) THEN customer_key END) AS returning_customers
  FROM seen
  GROUP BY period, grouped
)
SELECT
  s.period, s.grouped, s.orders, s.units, s.gross_minor, s.refund_minor, s.net_minor,
  p.active_customers, p.new_customers, p.returning_customers
FROM sums AS s
LEFT JOIN people AS p ON p.period = s.period AND p.grouped = s.grouped
ORDER BY s.period, s.grouped`;
};

/** By category or product: what its lines say. An order has lines of several, so orders and customers are not told. */
export const lineSalesSql = (
  m: Dialect,
  question: Omit<SalesQuestion, "by"> & { by: "category" | "product" },
): string => {
  const group = question.by === "category" ? "category" : "CASE WHEN name <> '' THEN name ELSE product_id END";
  return `
SELECT
  ${periodOf(m, question, "day")} AS period, ${group} AS grouped,
  sum(lines) AS lines, sum(units) AS units, sum(net_minor) AS net_minor
FROM product_sales_daily
WHERE ${withinDays("day", question)}
GROUP BY 1, 2
ORDER BY 1, 2`;
};
