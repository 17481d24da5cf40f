/** `bot_days`: the days on which a visitor was a machine, by what it said of itself or by what no person does. */
import type { BatchParameters, BatchTable } from "../batch-table.ts";
import { monthText } from "./curated.ts";
import { inMonths } from "./literals.ts";

/**
 * What of a day no person does (docs/decisions/0017-sessions-and-bots.md). Each is judged by the events of that day
 * alone: features that know nothing from their cutoff on may use it, and a late event changes its own month alone.
 */
export const botRules = {
  /** Events in the minutes that have any, on average, … */
  eventsPerMinute: 30,
  /** … of a day with at least so many. */
  rateFromEvents: 300,
  /** Hours of the day with an event. */
  hours: 20,
  eventsPerDay: 5_000,
} as const;

/** The visitor of an event: the device where it is known, else the customer. The two kinds of key are told by their prefix. */
export const visitorSql = (table: string): string => `coalesce(${table}.anonymous_key, ${table}.customer_key)`;

export const botDays: BatchTable = {
  name: "bot_days",
  grain: "one row per source, visitor and UTC day on which the visitor was a machine",
  key: ["source", "anonymous_key", "customer_key", "day"],
  columns: {
    source: { type: "string", description: "Source of the events" },
    anonymous_key: { type: "string", description: "Pseudonym of the visitor's device, where it is known" },
    customer_key: { type: "string", description: "Pseudonym of the visitor without one" },
    day: { type: "date", description: "UTC" },
    events: { type: "bigint", description: "Events of the visitor on that day" },
    minutes: { type: "bigint", description: "Minutes with an event" },
    hours: { type: "bigint", description: "Hours with an event" },
    by_agent: { type: "boolean", description: "Its program says that it is a machine" },
    by_rate: {
      type: "boolean",
      description: `At least ${botRules.rateFromEvents} events, more than ${botRules.eventsPerMinute} to a minute that has any`,
    },
    by_hours: { type: "boolean", description: `Events in at least ${botRules.hours} hours of the day` },
    by_volume: { type: "boolean", description: `More than ${botRules.eventsPerDay.toLocaleString("en")} events` },
    reason: { type: "string", description: "The first of these that holds: `agent`, `rate`, `volume`, `hours`" },
    month: { type: "string", description: "UTC month, YYYY-MM (partition)" },
  },
  partitionedBy: "month",
  reads: ["curated_activity"],
  engine: "spark",
  sql: (m, { months }: BatchParameters) => `
WITH seen AS (
  SELECT
    a.source, a.anonymous_key,
    CASE WHEN a.anonymous_key IS NULL THEN a.customer_key END AS customer_key,
    ${m.truncDay("a.occurred_at")} AS day,
    ${m.intDiv(m.epochMs("a.occurred_at"), "60000")} AS minute_number,
    ${m.intDiv(m.epochMs("a.occurred_at"), "3600000")} AS hour_number,
    a.bot
  FROM curated_activity AS a
  WHERE ${visitorSql("a")} IS NOT NULL${months === undefined ? "" : `\n    AND ${inMonths("a.occurred_at", months)}`}
),
by_minute AS (
  SELECT source, anonymous_key, customer_key, day, hour_number, minute_number, count(*) AS events, count(bot) AS told
  FROM seen
  GROUP BY source, anonymous_key, customer_key, day, hour_number, minute_number
),
days AS (
  SELECT
    source, anonymous_key, customer_key, day,
    CAST(sum(events) AS bigint) AS events,
    CAST(count(*) AS bigint) AS minutes,
    CAST(count(DISTINCT hour_number) AS bigint) AS hours,
    CAST(sum(told) AS bigint) AS told
  FROM by_minute
  GROUP BY source, anonymous_key, customer_key, day
),
judged AS (
  SELECT
    source, anonymous_key, customer_key, day, events, minutes, hours,
    told > 0 AS by_agent,
    events >= ${botRules.rateFromEvents} AND events > ${botRules.eventsPerMinute} * minutes AS by_rate,
    hours >= ${botRules.hours} AS by_hours,
    events > ${botRules.eventsPerDay} AS by_volume
  FROM days
)
SELECT
  source, anonymous_key, customer_key, day, events, minutes, hours, by_agent, by_rate, by_hours, by_volume,
  CASE WHEN by_agent THEN 'agent' WHEN by_rate THEN 'rate' WHEN by_volume THEN 'volume' ELSE 'hours' END AS reason,
  ${monthText(m, "day")} AS month
FROM judged
WHERE by_agent OR by_rate OR by_hours OR by_volume`,
  tests: {
    "one row a visitor and day": `
      SELECT day FROM bot_days GROUP BY source, anonymous_key, customer_key, day HAVING count(*) > 1`,
    "nobody is a machine without a reason": `
      SELECT day FROM bot_days WHERE NOT (by_agent OR by_rate OR by_hours OR by_volume)`,
  },
};
