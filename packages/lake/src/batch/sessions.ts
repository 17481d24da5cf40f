/**
 * `sessions`: visits of one visitor to one source, parted by 30 minutes without an event, as GA4 and Snowplow part them.
 * Neither midnight nor another campaign ends one; the turn of a UTC month does, so that a month's sessions are made of
 * that month's events and a late event writes its own month anew (docs/decisions/0017-sessions-and-bots.md).
 */
import type { BatchParameters, BatchTable } from "../batch-table.ts";
import type { Dialect } from "../dialect.ts";
import { botDays, visitorSql } from "./bot-days.ts";
import { monthText } from "./curated.ts";
import { inMonths } from "./literals.ts";

/** An event this long after the one before it, or longer, begins another session. */
export const INACTIVITY_MS = 30 * 60_000;

const countOf = (...kinds: readonly string[]): string =>
  `CAST(count(CASE WHEN kind IN (${kinds.map((kind) => `'${kind}'`).join(", ")}) THEN 1 END) AS bigint)`;

/** Of the first event of the session that has one. */
const first = (m: Dialect, column: string): string => m.minBy(column, `CASE WHEN ${column} IS NOT NULL THEN turn END`);
const last = (m: Dialect, column: string): string => m.maxBy(column, `CASE WHEN ${column} IS NOT NULL THEN turn END`);

export const sessions: BatchTable = {
  name: "sessions",
  grain: "one row per session: events of one visitor to one source without 30 minutes between two of them",
  key: ["source", "anonymous_key", "customer_key", "started_at"],
  columns: {
    source: { type: "string", description: "Source of the events" },
    anonymous_key: { type: "string", description: "Pseudonym of the visitor's device, where it is known" },
    customer_key: {
      type: "string",
      description: "The last customer that an event of the session named; whose it is in the end: `identity_keys`",
    },
    started_at: { type: "timestamp", description: "UTC; of the first event" },
    ended_at: { type: "timestamp", description: "UTC; of the last event" },
    duration_seconds: { type: "bigint", description: "From the first event to the last, whole seconds" },
    events: { type: "bigint", description: "All events of the session" },
    page_views: { type: "bigint", description: "Pages and screens" },
    product_views: { type: "bigint", description: "Product pages looked at" },
    cart_adds: { type: "bigint", description: "Products put into the cart" },
    checkouts: { type: "bigint", description: "Checkouts started" },
    searches: { type: "bigint", description: "Searches for products" },
    landing_path: { type: "string", description: "The first page path" },
    exit_path: { type: "string", description: "The last page path" },
    referrer_host: { type: "string", description: "The first referrer" },
    campaign: {
      type: "string",
      description: "The first campaign, JSON of the UTM fields; a later one begins no session",
    },
    device: { type: "string", description: "The first kind of device" },
    country: { type: "string", description: "The first country" },
    bot_reason: {
      type: "string",
      description: "Why the visitor was a machine on the day of the first or last event (`bot_days`); NULL for people",
    },
    month: { type: "string", description: "UTC month, YYYY-MM (partition)" },
  },
  partitionedBy: "month",
  reads: ["curated_activity", botDays.name],
  engine: "spark",
  sql: (m, { months }: BatchParameters) => `
WITH seen AS (
  SELECT
    a.source, ${visitorSql("a")} AS visitor, a.customer_key, a.kind, a.occurred_at,
    ${m.epochMs("a.occurred_at")} AS event_ms, ${m.truncMonth("a.occurred_at")} AS event_month, a.event_id,
    a.page_path, a.referrer_host, a.campaign, a.device, a.country
  FROM curated_activity AS a
  WHERE ${visitorSql("a")} IS NOT NULL${months === undefined ? "" : `\n    AND ${inMonths("a.occurred_at", months)}`}
),
in_turn AS (
  SELECT
    seen.*,
    row_number() OVER (PARTITION BY source, visitor, event_month ORDER BY event_ms, event_id) AS turn,
    lag(event_ms) OVER (PARTITION BY source, visitor, event_month ORDER BY event_ms, event_id) AS previous_ms
  FROM seen
),
numbered AS (
  SELECT
    in_turn.*,
    count(CASE WHEN previous_ms IS NULL OR event_ms - previous_ms >= ${INACTIVITY_MS} THEN 1 END)
      OVER (PARTITION BY source, visitor, event_month ORDER BY turn ROWS UNBOUNDED PRECEDING) AS session_number
  FROM in_turn
),
visits AS (
  SELECT
    source, visitor, event_month, session_number,
    ${last(m, "customer_key")} AS customer_key,
    min(occurred_at) AS started_at,
    max(occurred_at) AS ended_at,
    ${m.elapsedSeconds("min(occurred_at)", "max(occurred_at)")} AS duration_seconds,
    CAST(count(*) AS bigint) AS events,
    ${countOf("page", "screen")} AS page_views,
    ${countOf("product_viewed")} AS product_views,
    ${countOf("product_added")} AS cart_adds,
    ${countOf("checkout_started")} AS checkouts,
    ${countOf("products_searched")} AS searches,
    ${first(m, "page_path")} AS landing_path,
    ${last(m, "page_path")} AS exit_path,
    ${first(m, "referrer_host")} AS referrer_host,
    ${first(m, "campaign")} AS campaign,
    ${first(m, "device")} AS device,
    ${first(m, "country")} AS country
  FROM numbered
  GROUP BY source, visitor, event_month, session_number
),
machines AS (
  SELECT b.source, ${visitorSql("b")} AS machine, b.day, b.reason FROM bot_days AS b
)
SELECT
  v.source,
  CASE WHEN v.visitor LIKE 'ano%' THEN v.visitor END AS anonymous_key,
  v.customer_key, v.started_at, v.ended_at, v.duration_seconds, v.events, v.page_views, v.product_views, v.cart_adds,
  v.checkouts, v.searches, v.landing_path, v.exit_path, v.referrer_host, v.campaign, v.device, v.country,
  coalesce(f.reason, l.reason) AS bot_reason,
  ${monthText(m, "v.started_at")} AS month
FROM visits AS v
LEFT JOIN machines AS f ON f.source = v.source AND f.machine = v.visitor AND f.day = ${m.truncDay("v.started_at")}
LEFT JOIN machines AS l ON l.source = v.source AND l.machine = v.visitor AND l.day = ${m.truncDay("v.ended_at")}`,
  tests: {
    "one row a visitor and start": `
      SELECT started_at FROM sessions
      GROUP BY source, coalesce(anonymous_key, customer_key), started_at HAVING count(*) > 1`,
    "every event of a visitor is in one session": `
      SELECT s.events
      FROM (SELECT sum(events) AS events FROM sessions) AS s
      CROSS JOIN (
        SELECT count(*) AS events FROM curated_activity WHERE anonymous_key IS NOT NULL OR customer_key IS NOT NULL
      ) AS a
      WHERE coalesce(s.events, 0) <> a.events`,
    "sessions of a visitor do not overlap": `
      SELECT started_at FROM (
        SELECT
          started_at,
          lag(ended_at) OVER (
            PARTITION BY source, coalesce(anonymous_key, customer_key), month ORDER BY started_at
          ) AS before_it
        FROM sessions
      ) AS in_turn
      WHERE before_it >= started_at`,
    "none ends before it starts, or in another month": `
      SELECT started_at FROM sessions
      WHERE ended_at < started_at OR duration_seconds < 0
        OR extract(month FROM started_at) <> extract(month FROM ended_at)`,
  },
};
