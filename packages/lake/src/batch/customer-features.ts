/** `customer_features`: what was known of each customer at a cutoff. Every sum is exact, so that a run repeats itself. */
import type { BatchParameters, BatchTable } from "../batch-table.ts";
import type { Dialect } from "../dialect.ts";
import { botDays, visitorSql } from "./bot-days.ts";
import { curatedTables } from "./curated.ts";
import { ACTIVITY_DAYS, visitWindows } from "./features-of-activity.ts";
import { windows } from "./features-of-orders.ts";
import { features } from "./features.ts";
import { dayOf, daysBefore, instantMs, timestampLiteral } from "./literals.ts";
import { ownersAsOf } from "./identity.ts";
import { orderEffectsAsOf } from "./orders-as-of.ts";
import { DAY_MS } from "@ebb/core/time";

/** The cutoff of a run, epoch milliseconds. @throws RangeError without one */
export const cutoffMsOf = ({ cutoff }: BatchParameters): number => {
  if (cutoff === undefined) throw new RangeError("A cutoff is needed");
  return instantMs(cutoff);
};

const sumIf = (condition: string, value: string, name: string): string =>
  `CAST(sum(CASE WHEN ${condition} THEN ${value} ELSE 0 END) AS bigint) AS ${name}`;

/** A count holds eight bytes a customer; DuckDB's sum of bigints holds 128 bits and more. */
const countIf = (condition: string, name: string): string =>
  `CAST(count(CASE WHEN ${condition} THEN 1 END) AS bigint) AS ${name}`;

/** One row per customer: `b` of the features. */
const bought = (m: Dialect, cutoffMs: number): string => {
  const since = (length: number): number => daysBefore(cutoffMs, length);
  const quarter = Math.floor(new Date(cutoffMs).getUTCMonth() / 3) * 3;
  const quarterMonths = [quarter + 1, quarter + 2, quarter + 3].join(", ");
  // The last day that is known, whole or in part.
  const lastDay = Math.floor((cutoffMs - 1) / DAY_MS);
  const day = (ms: string): string => m.intDiv(ms, String(DAY_MS));
  return `
in_turn AS (
  SELECT
    *,
    ${m.epochMs("effect_at")} AS effect_ms,
    gross_minor - refund_minor AS net_minor,
    row_number() OVER (PARTITION BY customer_key, counts ORDER BY effect_at, order_key) AS turn,
    lag(${m.epochMs("effect_at")}) OVER (PARTITION BY customer_key, counts ORDER BY effect_at, order_key) AS previous_ms
  FROM order_effects
),
bought AS (
  SELECT
    customer_key,
    ${countIf("counts", "orders")},
    min(CASE WHEN counts THEN effect_ms END) AS first_ms,
    max(CASE WHEN counts THEN effect_ms END) AS last_ms,
    ${cutoffMs} - max(CASE WHEN counts THEN effect_ms END) AS age_ms,
    ${m.intDiv(`${cutoffMs} - max(CASE WHEN counts THEN effect_ms END)`, String(DAY_MS))} AS recency_days,
    ${m.intDiv(`${cutoffMs} - min(CASE WHEN counts THEN effect_ms END)`, String(DAY_MS))} AS tenure_days,
    ${day("max(CASE WHEN counts THEN effect_ms END)")} - ${day("min(CASE WHEN counts THEN effect_ms END)")} AS first_to_last_days,
    ${lastDay} - ${day("min(CASE WHEN counts THEN effect_ms END)")} AS observed_days,
    ${windows
      .flatMap((length) => [
        countIf(`counts AND effect_ms >= ${since(length)}`, `orders_${length}d`),
        sumIf(`effect_ms >= ${since(length)}`, "net_minor", `net_${length}d_minor`),
      ])
      .join(",\n    ")},
    ${countIf(`counts AND effect_ms >= ${since(180)} AND effect_ms < ${since(90)}`, "orders_90d_before")},
    ${sumIf(`effect_ms >= ${since(180)} AND effect_ms < ${since(90)}`, "net_minor", "net_90d_before_minor")},
    CAST(sum(net_minor) AS bigint) AS net_minor,
    CAST(sum(gross_minor) AS bigint) AS gross_minor,
    CAST(sum(refund_minor) AS bigint) AS refund_minor,
    ${sumIf("counts", "net_minor", "counted_net_minor")},
    ${sumIf("counts", "gross_minor", "counted_gross_minor")},
    ${sumIf("counts AND previous_ms IS NOT NULL", m.intDiv("effect_ms - previous_ms", "60000"), "gap_minutes")},
    ${sumIf(
      "counts AND previous_ms IS NOT NULL",
      `${m.intDiv("effect_ms - previous_ms", "60000")} * ${m.intDiv("effect_ms - previous_ms", "60000")}`,
      "squared_gap_minutes",
    )},
    ${countIf(`counts AND previous_ms IS NOT NULL AND ${day("effect_ms")} <> ${day("previous_ms")}`, "repeat_days")},
    sum(CASE WHEN counts THEN units ELSE 0 END) AS units,
    ${sumIf("counts", "line_count", "line_count")},
    ${sumIf("counts", "product_count", "product_count")},
    ${sumIf("counts", "category_count", "category_count")},
    ${sumIf("counts", "reporting_discount_minor", "discount_minor")},
    ${countIf("counts AND (reporting_discount_minor > 0 OR coupon IS NOT NULL)", "discounted_orders")},
    ${countIf("refund_minor > 0", "refunded_orders")},
    ${countIf("cancelled", "cancelled_orders")},
    ${countIf(`counts AND ${m.monthOfYear("effect_at")} IN (${quarterMonths})`, "same_quarter_orders")},
    ${m.maxBy("country", "CASE WHEN counts AND country IS NOT NULL THEN turn END")} AS country
  FROM in_turn
  GROUP BY customer_key
)`;
};

/** One row per customer with a visit: `w` of the features. */
const visited = (m: Dialect, cutoffMs: number): string => {
  const known = `occurred_at < ${timestampLiteral(cutoffMs)}`;
  const recent = `${known} AND occurred_at >= ${timestampLiteral(daysBefore(cutoffMs, ACTIVITY_DAYS))}`;
  const cutoffDay = Math.floor(cutoffMs / DAY_MS);
  const within = (length: number): string => `day_number >= ${cutoffDay - length}`;
  const counts: readonly (readonly [name: string, value: string])[] = [
    ["visit_days", "1"],
    ["sessions", "sessions"],
    ["product_views", "product_views"],
    ["cart_adds", "cart_adds"],
    ["checkouts", "checkouts"],
    ["searches", "searches"],
  ];
  return `
${ownersAsOf(known)},
visits AS (
  SELECT
    coalesce(a.customer_key, o.customer_key) AS visitor_key, a.kind, a.session_id,
    ${m.epochMs("a.occurred_at")} AS visit_ms,
    ${m.intDiv(m.epochMs("a.occurred_at"), String(DAY_MS))} AS day_number
  FROM curated_activity AS a
  LEFT JOIN anonymous_owners AS o ON o.key = a.anonymous_key
  LEFT JOIN bot_days AS b
    ON b.source = a.source AND ${visitorSql("b")} = ${visitorSql("a")} AND b.day = ${m.truncDay("a.occurred_at")}
  WHERE b.day IS NULL AND ${recent.replaceAll("occurred_at", "a.occurred_at")}
),
visit_days AS (
  SELECT
    visitor_key, day_number,
    max(visit_ms) AS last_ms,
    count(DISTINCT session_id) AS sessions,
    ${[
      ["product_viewed", "product_views"],
      ["product_added", "cart_adds"],
      ["checkout_started", "checkouts"],
      ["products_searched", "searches"],
      ["product_reviewed", "reviews"],
    ]
      .map(([kind, name]) => countIf(`kind = '${kind}'`, name!))
      .join(",\n    ")}
  FROM visits
  WHERE visitor_key IS NOT NULL
  GROUP BY visitor_key, day_number
),
-- A cart is closed by an order of the same day or the next.
closing_days AS (
  SELECT customer_key AS buyer_key, ${m.intDiv("effect_ms", String(DAY_MS))} AS closed_day
  FROM in_turn WHERE counts AND effect_ms >= ${daysBefore(cutoffMs, 91)}
  UNION
  SELECT customer_key AS buyer_key, ${m.intDiv("effect_ms", String(DAY_MS))} - 1 AS closed_day
  FROM in_turn WHERE counts AND effect_ms >= ${daysBefore(cutoffMs, 91)}
),
visited AS (
  SELECT
    v.visitor_key,
    ${m.intDiv(`${cutoffMs} - max(v.last_ms)`, String(DAY_MS))} AS days_since_visit,
    ${counts
      .flatMap(([name, value]) => visitWindows.map((length) => sumIf(within(length), value, `${name}_${length}d`)))
      .join(",\n    ")},
    ${countIf(`${within(90)} AND cart_adds + checkouts > 0`, "cart_days_90d")},
    ${countIf(`${within(90)} AND cart_adds + checkouts > 0 AND c.closed_day IS NULL`, "abandoned_days_90d")},
    ${sumIf("true", "reviews", "reviews_365d")}
  FROM visit_days AS v
  LEFT JOIN closing_days AS c ON c.buyer_key = v.visitor_key AND c.closed_day = v.day_number
  GROUP BY v.visitor_key
)`;
};

/** One row per customer with a post: `s` of the features. */
const spoke = (cutoffMs: number): string => {
  const since = (length: number): string => timestampLiteral(daysBefore(cutoffMs, length));
  const known = `occurred_at < ${timestampLiteral(cutoffMs)}`;
  return `
posts AS (
  SELECT coalesce(p.customer_key, a.customer_key) AS speaker_key, p.occurred_at, p.reach, p.sentiment
  FROM curated_social AS p
  LEFT JOIN handle_owners AS a ON a.key = p.author_key
),
spoke AS (
  SELECT
    speaker_key,
    ${countIf(`occurred_at >= ${since(90)}`, "posts_90d")},
    ${sumIf(`occurred_at >= ${since(90)}`, "coalesce(reach, 0)", "reach_90d")},
    ${sumIf("true", "CASE sentiment WHEN 'positive' THEN 1 WHEN 'negative' THEN -1 ELSE 0 END", "sentiment_sum")},
    ${countIf("sentiment IN ('positive', 'neutral', 'negative')", "sentiment_posts")}
  FROM posts
  WHERE speaker_key IS NOT NULL AND ${known} AND occurred_at >= ${since(ACTIVITY_DAYS)}
  GROUP BY speaker_key
)`;
};

export const customerFeatures: BatchTable = {
  name: "customer_features",
  grain: "one row per cutoff and customer with a counted order before it, as known at the cutoff",
  key: ["cutoff", "customer_key"],
  columns: {
    customer_key: { type: "string", description: "Pseudonym" },
    ...Object.fromEntries(features.map(({ name, type, definition }) => [name, { type, description: definition }])),
    cutoff: {
      type: "string",
      description: "UTC day of the cutoff, YYYY-MM-DD: nothing from that instant on is known (partition)",
    },
  },
  partitionedBy: "cutoff",
  reads: [...curatedTables.map(({ name }) => name), botDays.name, "repeated_orders"],
  engine: "spark",
  sql: (m, parameters) => {
    const cutoffMs = cutoffMsOf(parameters);
    return `
WITH ${orderEffectsAsOf(m, {
      known: `occurred_at < ${timestampLiteral(cutoffMs)}`,
      carried: [
        "country",
        "units",
        "line_count",
        "product_count",
        "category_count",
        "reporting_discount_minor",
        "coupon",
      ],
    }).trim()},${bought(m, cutoffMs)},${visited(m, cutoffMs)},${spoke(cutoffMs)}
SELECT
  b.customer_key,
  ${features.map(({ name, type, sql }) => (type === "string" ? `${sql(m)} AS ${name}` : `CAST(${sql(m)} AS ${type}) AS ${name}`)).join(",\n  ")},
  '${dayOf(cutoffMs)}' AS cutoff
FROM bought AS b
LEFT JOIN visited AS w ON w.visitor_key = b.customer_key
LEFT JOIN spoke AS s ON s.speaker_key = b.customer_key
WHERE b.orders > 0`;
  },
  tests: {
    "one row a customer and cutoff":
      "SELECT customer_key FROM customer_features GROUP BY cutoff, customer_key HAVING count(*) > 1",
    "windows hold one another": `
      SELECT customer_key FROM customer_features
      WHERE orders_30d > orders_90d OR orders_90d > orders_180d OR orders_180d > orders_365d OR orders_365d > orders`,
    "an order is as old as the time since it": `
      SELECT customer_key FROM customer_features
      WHERE recency_days < 0 OR recency_days > tenure_days
        OR (orders_30d > 0 AND recency_days > 30) OR (orders_90d = 0 AND recency_days < 90)`,
    "shares lie between 0 and 1": `
      SELECT customer_key FROM customer_features
      WHERE discount_rate NOT BETWEEN 0 AND 1 OR discounted_share NOT BETWEEN 0 AND 1
        OR same_quarter_share NOT BETWEEN 0 AND 1 OR abandonment_90d NOT BETWEEN 0 AND 1`,
    "gaps need orders between which they lie": `
      SELECT customer_key FROM customer_features
      WHERE (gap_mean_days IS NULL) <> (orders < 2) OR (gap_sd_days IS NULL) <> (orders < 3)`,
    "who came back has days between": `
      SELECT customer_key FROM customer_features
      WHERE repeat_days >= orders OR first_to_last_days > observed_days OR (repeat_days = 0) <> (first_to_last_days = 0)`,
  },
};
