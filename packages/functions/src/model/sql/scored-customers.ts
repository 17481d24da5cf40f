export interface ScoredCustomers {
  readonly asOf: string;
  /** Whether the run has churn scores. */
  readonly churn: boolean;
  /** One of `parts` shares of the customers, by the first byte of their keys. */
  readonly part: number;
  readonly parts: number;
}

const hex = (byte: number): string => byte.toString(16).padStart(2, "0");

/** One row per customer, in the order of the keys: segment, what clusters and values are made of, churn scores. */
export const scoredCustomersSql = ({ asOf, churn, part, parts }: ScoredCustomers): string => {
  const [from, to] = [Math.floor((256 * part) / parts), Math.floor((256 * (part + 1)) / parts)];
  const conditions = [
    `c.cutoff = '${asOf}'`,
    ...(from === 0 ? [] : [`substr(c.customer_key, 5, 2) >= '${hex(from)}'`]),
    ...(to === 256 ? [] : [`substr(c.customer_key, 5, 2) < '${hex(to)}'`]),
  ];
  const scores = ["probability", "decile", ...[1, 2, 3].flatMap((n) => [`driver_${n}`, `driver_${n}_log_odds`])];
  return `
SELECT
  c.customer_key, c.segment,
  f.recency_days, f.orders, f.net_minor, f.repeat_days, f.first_to_last_days, f.observed_days, f.mean_order_minor${
    churn ? `,\n  ${scores.map((name) => `s.${name}`).join(", ")}` : ""
  }
FROM customer_segments AS c
LEFT JOIN customer_features AS f ON f.customer_key = c.customer_key AND f.cutoff = '${asOf}'${
    churn ? `\nLEFT JOIN churn_scores AS s ON s.customer_key = c.customer_key AND s.cutoff = '${asOf}'` : ""
  }
WHERE ${conditions.join(" AND ")}
ORDER BY c.customer_key`;
};
