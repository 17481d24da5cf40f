/** `web_activity` and `social_activity`: events as they are, each once. */
import type { EventKind } from "@ebb/core/kinds";
import { rawEventTables } from "../event-tables.ts";
import { rawEventsColumns } from "../raw-events.ts";
import type { View, ViewColumn } from "../table.ts";

const shared = ["event_id", "kind", "name", "source", "occurred_at", "received_at", "customer_key", "anonymous_key"];

const columnsNamed = (names: readonly string[]): Record<string, ViewColumn> =>
  Object.fromEntries(
    names.map((name) => {
      const column = rawEventsColumns.find((candidate) => candidate.name === name);
      if (column === undefined) throw new TypeError(`raw_events has no column ${name}`);
      return [name, { type: column.type, description: column.description }];
    }),
  );

/** Events of some kinds with some columns, de-duplicated: of the same event id the earliest receipt stands. */
const activity = (
  name: string,
  grain: string,
  from: "web" | "social",
  kinds: readonly EventKind[],
  own: readonly string[],
): View => {
  const names = [...shared, ...own];
  return {
    name,
    grain,
    columns: columnsNamed(names),
    sql: (_m, events = rawEventTables) => `
WITH ranked AS (
  SELECT
    ${names.join(", ")},
    row_number() OVER (PARTITION BY event_id ORDER BY received_at, receipt_id, receipt_number) AS receipt_rank
  FROM ${events[from]}
  WHERE kind IN (${kinds.map((kind) => `'${kind}'`).join(", ")})
)
SELECT ${names.join(", ")}
FROM ranked
WHERE receipt_rank = 1`,
    tests: { "one row an event": `SELECT event_id FROM ${name} GROUP BY event_id HAVING count(*) > 1` },
  };
};

export const webActivity = activity(
  "web_activity",
  "one row per event of a visit: pages, screens, products, carts, checkouts, searches, reviews and the producer's own",
  "web",
  [
    "product_viewed",
    "product_list_viewed",
    "product_added",
    "product_removed",
    "cart_viewed",
    "checkout_started",
    "products_searched",
    "product_reviewed",
    "page",
    "screen",
    "track",
  ],
  [
    "session_id",
    "country",
    "product_id",
    "product_name",
    "category",
    "brand",
    "unit_price",
    "quantity",
    "currency",
    "total_minor",
    "order_id",
    "cart_id",
    "query",
    "page_path",
    "referrer_host",
    "campaign",
    "device",
    "bot",
    "rating",
    "body",
    "properties",
  ],
);

export const socialActivity = activity(
  "social_activity",
  "one row per post about the shop or engagement with it",
  "social",
  ["social_mentioned", "social_engaged"],
  [
    "platform",
    "post_id",
    "author_key",
    "body",
    "language",
    "sentiment",
    "engagement",
    "reach",
    "product_id",
    "country",
    "properties",
  ],
);
