/** The batch's part of an audit: the curated tables hold every distinct event once, and the marts add up to them. */
import { readFileSync } from "node:fs";
import type { DuckDBConnection } from "@duckdb/node-api";
import { orderKinds } from "@ebb/core/kinds";
import { curatedEventTables, curatedTables } from "@ebb/lake/batch/curated";
import { duckdb } from "@ebb/lake/dialect";
import { render } from "@ebb/lake/table";
import { orderEntries } from "@ebb/lake/tables/order-entries";
import { orders } from "@ebb/lake/tables/orders";
import { refunds } from "@ebb/lake/tables/refunds";
import { z } from "zod";
import type { AccountBook } from "./audit-account.ts";
import { rowsOf } from "./audit-lake.ts";

const curatedLine = "curated: every distinct event is there once";
const martsLine = "marts: sales_daily adds up to the curated orders";

/** Of `written-tables.json`, what tells how far the curated tables reach. */
const Written = z.object({ curated: z.record(z.string(), z.object({ arrivedBeforeMs: z.number() })) });

/** Everything that arrived before this instant is in the curated tables; `undefined` where no run says so. */
export const curatedUntilMs = (file: string): number | undefined => {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
  const { curated } = Written.parse(JSON.parse(text));
  const instants = curatedTables.map(({ name }) => curated[name]?.arrivedBeforeMs);
  return instants.some((instant) => instant === undefined) ? undefined : Math.min(...(instants as number[]));
};

const orderKindList = [...orderKinds].map((kind) => `'${kind}'`).join(", ");

/** Order events by id and time, as the curated table has them; others by id. */
const curatedIds = `
  SELECT event_id, occurred_at AS stated_at FROM curated_order_events
  UNION ALL ${curatedTables
    .filter(({ name }) => name !== "curated_order_events")
    .map(({ name }) => `SELECT event_id, NULL FROM ${name}`)
    .join(" UNION ALL ")}`;

/**
 * @param connection its `landed_events` are the files' rows, `late_events` the ids of those that arrived after the curated
 * tables were written; the curated tables and `erased_customers` are defined
 * @param hour partition of the instant the curated tables reach to, `YYYY-MM-DDTHH`: what arrived in a later one is late too
 */
export const auditCurated = async (
  book: AccountBook,
  connection: DuckDBConnection,
  { hour, hourIsKnown }: { hour: string; hourIsKnown: boolean },
): Promise<void> => {
  await connection.run(`
    CREATE OR REPLACE TEMP VIEW raw_ids AS
    SELECT event_id, CASE WHEN kind IN (${orderKindList}) THEN occurred_at END AS stated_at, any_value(receipt_id) AS receipt_id,
      bool_or((dt || 'T' || hour) < '${hour}' OR (dt || 'T' || hour) = '${hour}' AND ${hourIsKnown}
        AND event_id NOT IN (SELECT event_id FROM late_events)) AS is_due
    FROM landed_events
    WHERE kind <> 'erased' AND (customer_key IS NULL OR customer_key NOT IN (SELECT customer_key FROM erased_customers))
    GROUP BY event_id, stated_at`);
  await connection.run(`CREATE OR REPLACE TEMP VIEW curated_ids AS
    SELECT event_id, stated_at, count(*) AS copies FROM (${curatedIds}) GROUP BY event_id, stated_at`);
  const joined = `
    FROM raw_ids AS r FULL OUTER JOIN curated_ids AS c
      ON c.event_id = r.event_id AND c.stated_at IS NOT DISTINCT FROM r.stated_at`;
  let [distinct, curated] = [0, 0];
  for await (const row of rowsOf(
    connection,
    `SELECT count(*) FILTER (WHERE r.is_due OR (r.event_id IS NOT NULL AND c.event_id IS NOT NULL)), coalesce(sum(c.copies), 0)::BIGINT ${joined}`,
  ))
    [distinct, curated] = row.map(Number) as [number, number];
  const faults = `
    SELECT coalesce(r.event_id, c.event_id), r.receipt_id, coalesce(c.copies, 0)::INTEGER, r.event_id IS NULL ${joined}
    WHERE c.copies > 1 OR r.event_id IS NULL OR (c.event_id IS NULL AND r.is_due)
    ORDER BY 1`;
  for await (const row of rowsOf(connection, faults)) {
    const [eventId, receiptId, copies, unknown] = row as [string, string | null, number, boolean];
    book.find({
      ...{ line: curatedLine, store: "curated", eventId, ...(receiptId === null ? {} : { receiptId }) },
      fault: unknown ? "unknown" : copies === 0 ? "missing" : "doubled",
      detail: unknown
        ? "A curated event is in no raw file."
        : copies === 0
          ? "The event arrived before the last run and is in no curated table."
          : `The event is in the curated tables ${copies} times.`,
    });
  }
  book.line({ name: curatedLine, left: ["distinct raw events", distinct], right: ["in the curated tables", curated] });
};

/** @param cutoff the as-of date of the run that wrote the marts: what occurred on or after it is in none */
export const auditMarts = async (book: AccountBook, connection: DuckDBConnection, cutoff: string): Promise<void> => {
  await connection.run(
    `CREATE OR REPLACE TEMP VIEW known_orders AS SELECT * FROM curated_order_events WHERE occurred_at < TIMESTAMP '${cutoff} 00:00:00'`,
  );
  const tables = { ...curatedEventTables, orders: "known_orders" };
  for (const view of [orderEntries, refunds, orders])
    await connection.run(`CREATE OR REPLACE TEMP VIEW ${view.name} AS ${render(view, duckdb, tables)}`);
  const sums = `
    SELECT coalesce(m.day, c.day)::VARCHAR, coalesce(m.source, c.source), coalesce(m.net, 0)::BIGINT, coalesce(c.net, 0)::BIGINT,
      coalesce(m.orders, 0)::BIGINT, coalesce(c.orders, 0)::BIGINT
    FROM (SELECT day, source, sum(net_minor) AS net, sum(orders) AS orders FROM sales_daily GROUP BY day, source) AS m
    FULL OUTER JOIN (
      SELECT day, source, sum(net) AS net, sum(orders) AS orders FROM (
        SELECT occurred_at::DATE AS day, source, gross_minor AS net, CASE WHEN counts THEN 1 ELSE 0 END AS orders FROM orders
        UNION ALL SELECT occurred_at::DATE, source, -effective_minor, 0 FROM refunds
      ) GROUP BY day, source
    ) AS c ON c.day = m.day AND c.source = m.source
    ORDER BY 1, 2`;
  let [curated, mart] = [0, 0];
  for await (const row of rowsOf(connection, sums)) {
    const [day, source, inMart, wanted, martOrders, wantedOrders] = row as [
      string,
      string,
      bigint,
      bigint,
      bigint,
      bigint,
    ];
    mart += Number(inMart);
    curated += Number(wanted);
    if (inMart !== wanted || martOrders !== wantedOrders)
      book.find({
        ...{ line: martsLine, store: "marts", fault: "differs" },
        detail: `sales_daily of ${day}, source ${source}: ${martOrders} orders and ${inMart} minor units net; the curated orders give ${wantedOrders} and ${wanted}.`,
      });
  }
  book.line({ name: martsLine, left: ["net minor units, curated", curated], right: ["in sales_daily", mart] });
};

/** Lines for tables that cannot be compared now. */
export const withoutTables = (book: AccountBook, lines: { curated?: boolean; marts?: boolean }, note: string): void => {
  const none = ["", 0] as const;
  if (lines.curated === true) book.line({ name: curatedLine, left: none, right: none, note });
  if (lines.marts === true) book.line({ name: martsLine, left: none, right: none, note });
};
