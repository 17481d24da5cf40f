import type { Dialect } from "@ebb/lake/dialect";
import { instantMs, timestampLiteral } from "@ebb/lake/batch/literals";

/** What a source has sent of orders before the as-of date. */
export interface SourceHistory {
  readonly source: string;
  /** UTC days. */
  readonly firstDay: string;
  readonly lastDay: string;
  readonly events: number;
  /** The longest time between two days with an order event, days; 0 where there is one such day. */
  readonly longestGapDays: number;
}

/** One row per source: source, first_day, last_day, events, longest_gap_days. */
export const historySql = (m: Dialect, asOf: string): string => `
WITH source_days AS (
  SELECT source, ${m.truncDay("occurred_at")} AS order_day, count(*) AS events
  FROM curated_order_events
  WHERE occurred_at < ${timestampLiteral(instantMs(asOf))}
  GROUP BY source, ${m.truncDay("occurred_at")}
),
gaps AS (
  SELECT
    source, order_day, events,
    ${m.daysBetween("lag(order_day) OVER (PARTITION BY source ORDER BY order_day)", "order_day")} AS gap_days
  FROM source_days
)
SELECT
  source,
  ${m.dayText("min(order_day)")} AS first_day,
  ${m.dayText("max(order_day)")} AS last_day,
  CAST(sum(events) AS bigint) AS events,
  CAST(coalesce(max(gap_days), 0) AS bigint) AS longest_gap_days
FROM gaps
GROUP BY source
ORDER BY source`;
