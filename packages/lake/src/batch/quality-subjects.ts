/** The tables of events whose quality is looked at, and what of each. */
import type { Dialect } from "../dialect.ts";
import { lineFields } from "../tables/order-lines.ts";
import { repeatedLines } from "./line-lists.ts";

export interface ProfiledColumn {
  readonly name: string;
  readonly is: "text" | "number";
  /** Its absence is a fault, not a choice. */
  readonly expected?: boolean;
  /** Below zero it is a fault. */
  readonly atLeastZero?: boolean;
}

/** A table of events as a source sends them, or some columns of it: what of it is looked at. */
export interface Subject {
  readonly name: string;
  /** Where other subjects are of the same table: what tells this one from them. */
  readonly part?: string;
  /**
   * A SELECT of `source`, `told_at`, `last_told_at`, `received_at`, `times` (so many rows of the table are this one) and
   * the columns. @param wanted true for rows of the months that are asked for
   */
  readonly sql: (m: Dialect, wanted: string) => string;
  readonly columns: readonly ProfiledColumn[];
  /**
   * Rows that are equal in these say the same thing twice; all of the SELECT has them. `repeated`: the SELECT tells how
   * often. Absent where the table as a whole is told by another subject.
   */
  readonly sameRow?: readonly string[] | "repeated";
}

const plain = (from: string, columns: readonly string[], where: string) => (_m: Dialect, wanted: string) => `
  SELECT source, occurred_at AS told_at, occurred_at AS last_told_at, received_at, 1 AS times, ${columns.join(", ")}
  FROM ${from}
  WHERE ${where} AND ${wanted}`;

const placed = (wanted: string): string => `kind IN ('order_completed', 'order_refunded') AND ${wanted}`;
const lineColumns = ["product_id", "name", "category", "quantity", "unit_price", "total_minor"];

const text = (name: string, expected = false): ProfiledColumn => ({ name, is: "text", expected });
const number = (name: string, more: Partial<ProfiledColumn> = {}): ProfiledColumn => ({ name, is: "number", ...more });

export const subjects: readonly Subject[] = [
  {
    name: "orders",
    columns: [
      text("customer_key", true),
      text("order_id", true),
      text("country"),
      text("currency", true),
      number("total_minor", { expected: true }),
      number("line_count"),
    ],
    sameRow: ["order_id", "customer_key", "told_at", "total_minor"],
    sql: plain(
      "curated_order_events",
      ["customer_key", "order_id", "country", "currency", "total_minor", "line_count"],
      "kind = 'order_completed'",
    ),
  },
  {
    // What concerns the order as a whole, without taking its lines apart.
    name: "order_lines",
    part: "orders",
    columns: [text("customer_key", true)],
    sameRow: "repeated",
    sql: (m, wanted) => `
  SELECT
    source, occurred_at AS told_at, occurred_at AS last_told_at, received_at, line_count AS times, customer_key,
    ${repeatedLines(m)} AS repeated
  FROM curated_order_events
  WHERE line_count > 0 AND ${placed(wanted)}`,
  },
  {
    // Few lines are unlike all others in these columns: what is alike is counted once, and looked at as one.
    name: "order_lines",
    columns: [
      text("product_id", true),
      text("name"),
      text("category"),
      number("quantity", { expected: true }),
      number("unit_price", { expected: true, atLeastZero: true }),
      number("line_minor"),
    ],
    sql: (m, wanted) => {
      const placedEvents = `(
      SELECT source, occurred_at AS told_at, received_at, ${m.truncMonth("occurred_at")} AS told_month, lines
      FROM curated_order_events
      WHERE ${placed(wanted)}
    ) AS placed`;
      const items = m.explodeRows(placedEvents, "lines", lineFields);
      return `
  SELECT
    source, min(told_at) AS told_at, max(told_at) AS last_told_at, max(received_at) AS received_at, count(*) AS times,
    ${lineColumns.map((name) => (name === "total_minor" ? "total_minor AS line_minor" : name)).join(", ")}
  FROM (
    SELECT source, told_at, received_at, told_month, ${items.select}
    FROM ${items.from}
  ) AS lines_of_orders
  GROUP BY source, told_month, ${lineColumns.join(", ")}`;
    },
  },
  {
    name: "visits",
    columns: [
      text("visitor", true),
      text("product_id"),
      text("category"),
      text("page_path"),
      number("unit_price", { atLeastZero: true }),
    ],
    sameRow: ["visitor", "kind", "told_at", "product_id", "page_path", "session_id"],
    sql: plain(
      "curated_activity",
      [
        ...["coalesce(anonymous_key, customer_key) AS visitor", "kind", "session_id", "product_id", "category"],
        ...["page_path", "unit_price"],
      ],
      "kind <> 'products_searched'",
    ),
  },
  {
    name: "posts",
    columns: [text("author_key", true), text("body"), text("language"), text("sentiment"), number("reach")],
    sameRow: ["platform", "author_key", "body"],
    sql: plain(
      "curated_social",
      ["platform", "author_key", "body", "language", "sentiment", "reach"],
      "kind = 'social_mentioned'",
    ),
  },
];

/** What is expected of each column, for the report. */
export const columnRules = subjects.flatMap(({ name: table, columns }) =>
  columns.map(({ name: column, expected = false, atLeastZero = false }) => ({ table, column, expected, atLeastZero })),
);
