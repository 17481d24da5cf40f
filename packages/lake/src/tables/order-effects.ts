/**
 * `effectOf` and `aggregateOf` of `@ebb/core`, in SQL: what each order, and orders together, are worth. Shared by the
 * view `customer_rfm`, the features, the labels and the marts.
 */

interface OrderEffectsOptions {
  /** More columns, each `aggregate(expression)` over the entries of one order. */
  readonly carried?: Readonly<Record<string, readonly [aggregate: "max" | "min", expression: string]>>;
  /** Every order has one entry: nothing is to be brought together. */
  readonly single?: boolean;
}

/**
 * One row per customer and order key that was ordered or refunded: `gross_minor`, `refund_minor`, `counts`,
 * `ordered_at` (NULL where only refunds are known) and `effect_at`, the time that its money counts for.
 *
 * @param entries a relation of the columns of `order_entries`
 */
export const orderEffectsSql = (
  entries: string,
  { carried = {}, single = false }: OrderEffectsOptions = {},
): string => {
  const names = Object.keys(carried).map((name) => `, ${name}`);
  const of = (aggregate: string, expression: string): string =>
    single ? `(${expression})` : `${aggregate}(${expression})`;
  const aggregates = Object.entries(carried).map(
    ([name, [aggregate, expression]]) => `,\n    ${of(aggregate, expression)} AS ${name}`,
  );
  return `
WITH stated AS (
  SELECT
    customer_key, order_key,
    ${of("sum", "CASE WHEN entry = 'order' THEN reporting_minor ELSE 0 END")} AS gross_minor,
    ${of("sum", "CASE WHEN entry = 'refund' THEN reporting_minor ELSE 0 END")} AS explicit_minor,
    ${of("bool_or", "entry = 'refund' AND full_refund")} AS fully_refunded,
    ${of("bool_or", "cancelled")} AS cancelled,
    ${of("max", "CASE WHEN entry = 'order' THEN occurred_at END")} AS ordered_at,
    ${of("min", "occurred_at")} AS first_stated_at${aggregates.join("")}
  FROM ${entries}
  WHERE customer_key IS NOT NULL${single ? "" : "\n  GROUP BY customer_key, order_key"}
),
effects AS (
  SELECT
    *,
    CASE
      WHEN cancelled THEN 0
      WHEN fully_refunded AND gross_minor > explicit_minor THEN gross_minor
      ELSE explicit_minor
    END AS refund_minor
  FROM stated
)
SELECT
  customer_key, order_key, gross_minor, refund_minor, cancelled, ordered_at,
  coalesce(ordered_at, first_stated_at) AS effect_at,
  ordered_at IS NOT NULL AND NOT cancelled AND gross_minor > refund_minor AS counts${names.join("")}
FROM effects`;
};

/** One row per customer, from the rows of `orderEffectsSql`: a relation's name, or a SELECT. */
export const customerRfmSql = (effects: string, where = "true"): string => `
WITH counted AS (${effects}
)
SELECT
  customer_key,
  CAST(count(CASE WHEN counts THEN 1 END) AS bigint) AS orders,
  CAST(sum(gross_minor) AS bigint) AS gross_minor,
  CAST(sum(refund_minor) AS bigint) AS refund_minor,
  CAST(sum(gross_minor - refund_minor) AS bigint) AS net_minor,
  min(CASE WHEN counts THEN ordered_at END) AS first_order_at,
  max(CASE WHEN counts THEN ordered_at END) AS last_order_at
FROM counted
WHERE ${where}
GROUP BY customer_key`;
