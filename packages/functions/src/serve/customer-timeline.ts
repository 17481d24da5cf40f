/**
 * What one customer did and how the scores went, newest first: as of the latest run, and contacts with support as of the last
 * loads of the sources that tell of them.
 */
import type { CustomerKey } from "@ebb/core/ids";
import type { Ports } from "@ebb/ports";
import type { HttpHandler } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { Problem } from "../runtime/problem.ts";
import { type CataloguedPort, withCatalogued } from "./catalogue/catalogued.ts";
import { customerKeyOf } from "./customer-key.ts";
import {
  type MartRow,
  instantOf,
  martHandler,
  numberOf,
  numberOrAbsent,
  rowsOf,
  textOf,
} from "./marts/mart-handler.ts";
import { type SupportTable, supportOf, supportTables } from "./marts/support-contacts.ts";
import { historyOfSql, ordersOfSql, postsOfSql, visitsOfSql } from "./marts/timeline-sql.ts";

interface Entry {
  readonly at: string;
  readonly kind: "order" | "refund" | "visit" | "post" | "support";
  readonly title: string;
  readonly amount_minor?: number;
  readonly currency?: string;
  readonly details?: readonly string[];
}

export type TimelinePorts = Pick<Ports, "keys" | "queries" | "runs" | "settings" | "pseudonyms" | "suppressions"> &
  CataloguedPort;

export const make = (ports: TimelinePorts): HttpHandler =>
  martHandler<readonly SupportTable[]>(
    ports,
    async ({ event, erased, queries }, tables) => {
      const key: CustomerKey = customerKeyOf(event.pathParameters?.["id"] ?? "", ports.pseudonyms);
      if (erased.has(key)) throw new Problem("not_found", "Nothing of this customer has arrived.");
      const [support, [orders, visits, posts, history]] = await Promise.all([
        supportOf(queries, tables, key),
        Promise.all(
          [ordersOfSql, visitsOfSql, postsOfSql, historyOfSql].map((sql) => rowsOf(queries, sql(queries.dialect, key))),
        ),
      ]);
      const told: readonly Entry[] = [...orders!.map(orderEntry), ...visitEntries(visits!), ...posts!.map(postEntry)];
      const entries = [...told, ...support.entries];
      return {
        customer_key: key,
        ...(tables.length === 0 ? {} : { support: { contacts: support.contacts, last_at: support.lastAt } }),
        entries: entries.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0)),
        history: history!.map((row) => ({
          as_of: textOf(row["cutoff"]),
          segment: textOf(row["segment"]),
          recency: numberOrAbsent(row["recency_score"]),
          frequency: numberOrAbsent(row["frequency_score"]),
          monetary: numberOrAbsent(row["monetary_score"]),
          churn_probability: numberOrAbsent(row["churn_probability"]),
        })),
      };
    },
    (event) => ({
      customer_key: customerKeyOf(event.pathParameters?.["id"] ?? "", ports.pseudonyms),
      entries: [],
      history: [],
    }),
    [],
    () => supportTables(ports),
  );

const orderEntry = (row: MartRow): Entry => {
  const refund = row["entry"] === "refund";
  const id = textOf(row["order_id"]);
  const lines = numberOf(row["line_count"]);
  return {
    at: instantOf(row["occurred_at"])!,
    kind: refund ? "refund" : "order",
    title: `${id === "" ? "of no known order" : id}${row["cancelled"] === true ? " (cancelled)" : ""}${lines > 0 ? `, ${lines} ${lines === 1 ? "line" : "lines"}` : ""}`,
    amount_minor: (refund ? -1 : 1) * numberOf(row["total_minor"]),
    currency: textOf(row["currency"]),
  };
};

/** The rows of a day are one visit. */
const visitEntries = (rows: readonly MartRow[]): Entry[] => {
  const byDay = Map.groupBy(rows, (row) => textOf(row["day"]).slice(0, 10));
  return Array.from(byDay.values(), (ofDay) => {
    const at = ofDay
      .map((row) => instantOf(row["last_at"])!)
      .sort()
      .at(-1)!;
    const events = ofDay.reduce((sum, row) => sum + numberOf(row["events"]), 0);
    return {
      at,
      kind: "visit" as const,
      title: `${events} ${events === 1 ? "event" : "events"}`,
      details: ofDay.map((row) => {
        const product = row["product"];
        return `${numberOf(row["events"])} × ${textOf(row["kind"]).replaceAll("_", " ")}${typeof product === "string" ? `, ${product}` : ""}`;
      }),
    };
  });
};

const postEntry = (row: MartRow): Entry => ({
  at: instantOf(row["occurred_at"])!,
  kind: "post",
  title: textOf(row["platform"]),
  ...(typeof row["body"] === "string" ? { details: [row["body"]] } : {}),
});

export const handler = onAws((ports) => make(withCatalogued(ports)));
