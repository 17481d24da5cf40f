/** What the API asks of the marts, each question in its shapes: with and without conditions, by every interval and order. */
import { bestsellersSql, windowsSql } from "@ebb/functions/serve/marts/products";
import { decilesSql, distributionSql, reasonsSql, stepsSql } from "@ebb/functions/serve/marts/churn-sql";
import { type CustomerSort, customerSorts, customersSql } from "@ebb/functions/serve/marts/customer-list-sql";
import { productsInMemory } from "@ebb/functions/serve/marts/product-columns";
import { salesInMemory } from "@ebb/functions/serve/marts/sales-columns";
import { lineSalesSql, salesSql } from "@ebb/functions/serve/marts/sales-sql";
import { clustersSql, gridSql, movementsSql, segmentsSql } from "@ebb/functions/serve/marts/segments-sql";
import { historyOfSql, ordersOfSql, postsOfSql, visitsOfSql } from "@ebb/functions/serve/marts/timeline-sql";
import { textLiteral } from "@ebb/lake/batch/literals";
import type { Dialect } from "@ebb/lake/dialect";
import type { ProofQuery } from "./prove.ts";

export interface Asked {
  /** `YYYY-MM-DD` of the run. */
  readonly asOf: string;
  /** Days within the history, the first and the one after the last of a period. */
  readonly from: string;
  readonly to: string;
  readonly country: string;
  readonly segment: string;
  readonly customers: readonly string[];
}

const intervals = ["day", "week", "month", "total"] as const;

/** Everything is a list in an order that the API hands on. */
const list = (sql: (dialect: Dialect) => string, atLeast = 1): ProofQuery => ({ sql, ordered: true, atLeast });

/** @param atLeast rows that an answer has, by the name of the question; 1 where absent */
export const martQueries = (
  asked: Asked,
  atLeast: Readonly<Record<string, number>> = {},
): Record<string, ProofQuery> => {
  const { asOf, from, to, country, segment, customers } = asked;
  const period = { from, to };
  const questions: Record<string, (dialect: Dialect) => string> = {
    ...Object.fromEntries(
      intervals.map((interval) => [`sales by ${interval}`, (m: Dialect) => salesSql(m, { interval })]),
    ),
    "sales by week and country, of a period": (m) => salesSql(m, { interval: "week", by: "country", ...period }),
    "sales of a country by month": (m) => salesSql(m, { interval: "month", country, ...period }),
    "sales of a country in all": (m) => salesSql(m, { interval: "total", country, ...period }),
    "sales by week and category": (m) => lineSalesSql(m, { interval: "week", by: "category", ...period }),
    "sales by month and product": (m) => lineSalesSql(m, { interval: "month", by: "product", ...period, country }),
    "products by net": (m) => bestsellersSql(m, { order: "net", limit: 50 }),
    "products by units": (m) => bestsellersSql(m, { order: "units", limit: 500, ...period, country }),
    "products of windows": (m) => windowsSql(m, { from: dayBefore(to, 14), to }),
    // Their texts are rows in no order: of the same length on every engine.
    "sales in memory": (m) =>
      `SELECT part, number, length(text) AS characters FROM (${salesInMemory.sql(m, 1_000_000)}) AS held ORDER BY 1, 2`,
    "products in memory": (m) =>
      `SELECT part, number, length(text) AS characters, name, category FROM (${productsInMemory.sql(m, 1_000_000)}) AS held ORDER BY 1, 2`,
    segments: (m) => segmentsSql(m, asOf),
    movements: (m) => movementsSql(m, asOf),
    grid: (m) => gridSql(m, asOf),
    clusters: (m) => clustersSql(m, asOf),
    "churn distribution": (m) => distributionSql(m, asOf),
    "churn deciles": (m) => decilesSql(m, asOf),
    "churn reasons": (m) => reasonsSql(m, asOf),
    "churn steps": (m) => stepsSql(m, asOf),
    ...Object.fromEntries(
      (Object.keys(customerSorts) as CustomerSort[]).flatMap((sort) => [
        [`customers by ${sort}`, (m: Dialect) => customersSql(m, { cutoff: asOf, sort, limit: 1_000 })],
        [
          `customers by ${sort}, conditions, the second page`,
          (m: Dialect) =>
            customersSql(m, {
              cutoff: asOf,
              sort,
              segment,
              ...(sort === "lastOrder" ? {} : { minChurn: 0.125, minValue: 1 }),
              limit: 50,
              after: { value: pageEnds[sort], customerKey: "cus_5" },
            }),
        ],
        [
          `customers by ${sort}, those without`,
          (m: Dialect) =>
            customersSql(m, { cutoff: asOf, sort, limit: 50, after: { value: null, customerKey: "cus_0" } }),
        ],
      ]),
    ),
    ...Object.fromEntries(
      customers.flatMap((customer, at) => [
        [`orders of customer ${at}`, (m: Dialect) => ordersOfSql(m, customer)],
        [`visits of customer ${at}`, (m: Dialect) => visitsOfSql(m, customer)],
        [`posts of customer ${at}`, (m: Dialect) => postsOfSql(m, customer)],
        [`scores of customer ${at}`, (m: Dialect) => historyOfSql(m, customer)],
      ]),
    ),
    "names of segments": () => `SELECT segment FROM segment_daily WHERE cutoff = ${textLiteral(asOf)} ORDER BY segment`,
  };
  return Object.fromEntries(
    Object.entries(questions).map(([name, sql]) => [
      `API, ${name}`,
      list(sql, Object.entries(atLeast).find(([part]) => name.includes(part))?.[1] ?? 1),
    ]),
  );
};

/** Values that a page may have ended with. */
const pageEnds: Readonly<Record<CustomerSort, string>> = {
  churn: "0.8125",
  loss: "100000000",
  value: "100000000",
  net: "100000000",
  lastOrder: "2100-01-01 00:00:00",
};

const dayBefore = (day: string, days: number): string =>
  new Date(Date.parse(day) - days * 86_400_000).toISOString().slice(0, 10);
