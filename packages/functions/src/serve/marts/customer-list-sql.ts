import type { Dialect } from "@ebb/lake/dialect";
import { customerColumns } from "./customer-rows.ts";

/** What the list can be ordered by, always the largest first, and the column that it is. */
export const customerSorts = {
  churn: "churn_probability",
  loss: "expected_loss_minor",
  value: "value_if_active_minor",
  net: "net_minor",
  lastOrder: "last_order_at",
} as const;
export type CustomerSort = keyof typeof customerSorts;

/** Where a page ended: the value it was ordered by (`null` for none) and the customer. */
export interface After {
  readonly value: string | null;
  readonly customerKey: string;
}

export interface CustomersQuestion {
  /** `YYYY-MM-DD` of the run. */
  readonly cutoff: string;
  readonly segment?: string | undefined;
  readonly sort: CustomerSort;
  readonly minChurn?: number | undefined;
  /** Minor units. */
  readonly minValue?: number | undefined;
  readonly limit: number;
  readonly after?: After | undefined;
}

/**
 * A page in a total order: largest first, customers without the value last, ties by key. The next page begins after the
 * last row of this one (keyset), so that it costs the same however far one reads. Values are compared as they were told:
 * a double's shortest decimal form reads back as the same double.
 */
export const customersSql = (m: Dialect, question: CustomersQuestion): string => {
  const column = customerSorts[question.sort];
  const conditions = [
    `cutoff = ${m.textLiteral(question.cutoff)}`,
    ...(question.segment === undefined ? [] : [`segment = ${m.textLiteral(question.segment)}`]),
    ...(question.minChurn === undefined ? [] : [`churn_probability >= CAST('${question.minChurn}' AS double)`]),
    ...(question.minValue === undefined ? [] : [`value_if_active_minor >= ${question.minValue}`]),
    ...(question.after === undefined ? [] : [afterSql(m, column, question.after)]),
  ];
  return `
SELECT ${customerColumns.join(", ")}
FROM customer_scores
WHERE ${conditions.join(" AND ")}
ORDER BY ${column} DESC NULLS LAST, customer_key
LIMIT ${question.limit + 1}`;
};

const types: Readonly<Record<string, string>> = { churn_probability: "double", last_order_at: "timestamp" };

const afterSql = (m: Dialect, column: string, { value, customerKey }: After): string => {
  const key = m.textLiteral(customerKey);
  if (value === null) return `(${column} IS NULL AND customer_key > ${key})`;
  const literal = `CAST(${m.textLiteral(value)} AS ${types[column] ?? "bigint"})`;
  return `(${column} < ${literal} OR (${column} = ${literal} AND customer_key > ${key}) OR ${column} IS NULL)`;
};
