/** Who was seen: customers, and which anonymous visitors turned out to be which customer. No personal field. */
import { rawEventTables } from "../event-tables.ts";
import type { View } from "../table.ts";

export const profiles: View = {
  name: "profiles",
  grain: "one row per customer seen in any event",
  columns: {
    customer_key: { type: "string", description: "Pseudonym" },
    first_seen_at: { type: "timestamp", description: "UTC; first event of any kind" },
    last_seen_at: { type: "timestamp", description: "UTC; last event of any kind" },
    events: { type: "bigint", description: "Distinct events" },
    anonymous_keys: { type: "bigint", description: "Anonymous visitors linked to the customer" },
    country: { type: "string", description: "Of the latest event that had one" },
    identified_at: { type: "timestamp", description: "UTC; latest identify call, NULL when there was none" },
    traits: { type: "string", description: "JSON of the allow-listed, non-personal traits of that call" },
  },
  sql: (_m, events = rawEventTables) => `
WITH seen AS (
  SELECT
    customer_key,
    min(occurred_at) AS first_seen_at,
    max(occurred_at) AS last_seen_at,
    count(DISTINCT event_id) AS events,
    count(DISTINCT anonymous_key) AS anonymous_keys
  FROM ${events.every}
  WHERE customer_key IS NOT NULL
  GROUP BY customer_key
),
countries AS (
  SELECT
    customer_key, country,
    row_number() OVER (PARTITION BY customer_key ORDER BY occurred_at DESC, event_id DESC, received_at) AS recency
  FROM ${events.every}
  WHERE customer_key IS NOT NULL AND country IS NOT NULL
),
identified AS (
  SELECT
    customer_key, occurred_at, traits,
    row_number() OVER (PARTITION BY customer_key ORDER BY occurred_at DESC, event_id DESC, received_at) AS recency
  FROM ${events.every}
  WHERE customer_key IS NOT NULL AND kind = 'identify'
)
SELECT
  s.customer_key, s.first_seen_at, s.last_seen_at, s.events, s.anonymous_keys, c.country,
  i.occurred_at AS identified_at, i.traits
FROM seen AS s
LEFT JOIN countries AS c ON c.customer_key = s.customer_key AND c.recency = 1
LEFT JOIN identified AS i ON i.customer_key = s.customer_key AND i.recency = 1`,
  tests: {
    "one row a customer": `SELECT customer_key FROM profiles GROUP BY customer_key HAVING count(*) > 1`,
    "nobody is last seen before the first time": `SELECT customer_key FROM profiles WHERE last_seen_at < first_seen_at`,
  },
};

export const identities: View = {
  name: "identities",
  grain: "one row per pair of an anonymous visitor and a customer seen in one event",
  columns: {
    anonymous_key: { type: "string", description: "Pseudonym of the anonymous id" },
    customer_key: { type: "string", description: "Pseudonym" },
    first_linked_at: { type: "timestamp", description: "UTC; before it nobody could know of the link" },
    last_linked_at: { type: "timestamp", description: "UTC" },
  },
  sql: (_m, events = rawEventTables) => `
SELECT
  anonymous_key, customer_key,
  min(occurred_at) AS first_linked_at,
  max(occurred_at) AS last_linked_at
FROM ${events.every}
WHERE anonymous_key IS NOT NULL AND customer_key IS NOT NULL
GROUP BY anonymous_key, customer_key`,
  tests: {
    "one row a pair": `
      SELECT anonymous_key FROM identities GROUP BY anonymous_key, customer_key HAVING count(*) > 1`,
  },
};
