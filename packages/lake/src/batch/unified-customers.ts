/** One customer of many sources: what is told under any of their keys, each thing once; and what is known of them, with where it comes from. */
import type { BatchParameters, BatchTable } from "../batch-table.ts";
import { plainMember } from "../dialects/shared.ts";
import { curatedEventTables, curatedTables } from "./curated.ts";
import { PRESENT, profileValues } from "./told-tables.ts";

const bigint = (description: string) => ({ type: "bigint", description }) as const;
const count = (sql: string): string => `CAST(${sql} AS bigint)`;
const orZero = (column: string): string => `coalesce(${column}, 0) AS ${column.split(".")[1]!}`;

export const unifiedCustomers: BatchTable = {
  name: "unified_customers",
  grain:
    "one row per customer that an event or a declared source of profiles names, with what happened under any of their keys",
  key: ["customer_key"],
  columns: {
    customer_key: { type: "string", description: "Pseudonym" },
    first_seen_at: { type: "timestamp", description: "UTC; first event that named the customer; NULL where none did" },
    last_seen_at: { type: "timestamp", description: "UTC; last event that named the customer; NULL where none did" },
    devices: bigint("Anonymous ids that are the customer's"),
    emails: bigint("E-mail addresses that are the customer's"),
    handles: bigint("Handles that are the customer's"),
    conflicts: bigint("Of those keys the ones that were named with another customer too"),
    sessions: bigint("Sessions of people, on any of the devices, also before the first sign-in"),
    bot_sessions: bigint("Sessions of machines under these keys"),
    visit_events: bigint("Events of the sessions of people"),
    orders: bigint("Orders that named the customer, whatever became of them"),
    guest_orders: bigint(
      "Orders that named one of the devices and nobody, and that no other event says to be somebody's",
    ),
    posts: bigint("Posts and engagements that named the customer, one of the handles, or one of the devices"),
    profiles: bigint("Declared sources of profiles that have the customer now"),
  },
  reads: [...curatedTables.map(({ name }) => name), "sessions", "identity_keys", profileValues.name],
  engine: "spark",
  sql: () => `
WITH named AS (
  SELECT customer_key, min(occurred_at) AS first_seen_at, max(occurred_at) AS last_seen_at
  FROM ${curatedEventTables.every}
  WHERE customer_key IS NOT NULL
  GROUP BY customer_key
),
profiled AS (
  SELECT customer_key, ${count("count(*)")} AS profiles
  FROM (
    SELECT
      customer_key, value,
      row_number() OVER (PARTITION BY customer_key, told_by ORDER BY cutoff DESC) AS turn
    FROM ${profileValues.name}
    WHERE attribute = '${PRESENT}'
  ) AS looked
  WHERE turn = 1 AND value IS NOT NULL
  GROUP BY customer_key
),
customers AS (
  SELECT coalesce(n.customer_key, f.customer_key) AS customer_key, n.first_seen_at, n.last_seen_at, f.profiles
  FROM named AS n
  FULL OUTER JOIN profiled AS f ON f.customer_key = n.customer_key
),
own_keys AS (
  SELECT
    customer_key AS owner,
    ${count("count(CASE WHEN kind = 'anonymous' THEN 1 END)")} AS devices,
    ${count("count(CASE WHEN kind = 'email' THEN 1 END)")} AS emails,
    ${count("count(CASE WHEN kind = 'handle' THEN 1 END)")} AS handles,
    ${count("count(CASE WHEN customers > 1 THEN 1 END)")} AS conflicts
  FROM identity_keys
  WHERE customer_key IS NOT NULL
  GROUP BY customer_key
),
visits AS (
  SELECT
    coalesce(s.customer_key, k.customer_key) AS owner,
    ${count("count(CASE WHEN s.bot_reason IS NULL THEN 1 END)")} AS sessions,
    ${count("count(s.bot_reason)")} AS bot_sessions,
    ${count("sum(CASE WHEN s.bot_reason IS NULL THEN s.events ELSE 0 END)")} AS visit_events
  FROM sessions AS s
  LEFT JOIN identity_keys AS k ON k.key = s.anonymous_key
  GROUP BY coalesce(s.customer_key, k.customer_key)
),
placed AS (
  SELECT source, order_id, customer_key, anonymous_key
  FROM curated_order_events
  WHERE order_id IS NOT NULL AND kind IN ('order_completed', 'order_updated')
),
own_orders AS (
  SELECT customer_key AS owner, ${count("count(*)")} AS orders
  FROM (SELECT DISTINCT source, order_id, customer_key FROM placed WHERE customer_key IS NOT NULL) AS own
  GROUP BY customer_key
),
-- A shop may tell an order from the browser, where nobody is signed in, and from its server with the customer.
guests AS (
  SELECT k.customer_key AS owner, ${count("count(*)")} AS guest_orders
  FROM (
    SELECT source, order_id, min(anonymous_key) AS device
    FROM placed
    GROUP BY source, order_id
    HAVING count(customer_key) = 0
  ) AS g
  JOIN identity_keys AS k ON k.key = g.device
  GROUP BY k.customer_key
),
spoken AS (
  SELECT coalesce(p.customer_key, a.customer_key, d.customer_key) AS owner, ${count("count(*)")} AS posts
  FROM curated_social AS p
  LEFT JOIN identity_keys AS a ON a.key = p.author_key
  LEFT JOIN identity_keys AS d ON d.key = p.anonymous_key
  GROUP BY coalesce(p.customer_key, a.customer_key, d.customer_key)
)
SELECT
  c.customer_key, c.first_seen_at, c.last_seen_at,
  ${["k.devices", "k.emails", "k.handles", "k.conflicts", "v.sessions", "v.bot_sessions", "v.visit_events"].map(orZero).join(", ")},
  ${["o.orders", "g.guest_orders", "p.posts", "c.profiles"].map(orZero).join(", ")}
FROM customers AS c
LEFT JOIN own_keys AS k ON k.owner = c.customer_key
LEFT JOIN visits AS v ON v.owner = c.customer_key
LEFT JOIN own_orders AS o ON o.owner = c.customer_key
LEFT JOIN guests AS g ON g.owner = c.customer_key
LEFT JOIN spoken AS p ON p.owner = c.customer_key`,
  tests: {
    "one row a customer": "SELECT customer_key FROM unified_customers GROUP BY customer_key HAVING count(*) > 1",
    "nothing is counted for two customers": `
      SELECT u.sessions
      FROM (SELECT sum(sessions + bot_sessions) AS sessions, sum(posts) AS posts FROM unified_customers) AS u
      CROSS JOIN (SELECT count(*) AS sessions FROM sessions) AS s
      CROSS JOIN (SELECT count(*) AS posts FROM curated_social) AS p
      WHERE u.sessions > s.sessions OR u.posts > p.posts`,
  },
};

/** Names of traits that a run may tell apart: those whose JSON every engine reads alike. */
const traitsOf = ({ documents }: BatchParameters): readonly string[] =>
  ((documents?.["traits"] ?? []) as readonly string[]).filter((name) => /^[A-Za-z_]\w*$/.test(name)).map(plainMember);

export const customerAttributes: BatchTable = {
  name: "customer_attributes",
  grain: "one row per customer, attribute and source that said something of it, with what it said last",
  key: ["customer_key", "attribute", "source"],
  columns: {
    customer_key: { type: "string", description: "Pseudonym" },
    attribute: {
      type: "string",
      description: "`country`, or an allow-listed trait or a kept column as `trait.<name>`",
    },
    source: {
      type: "string",
      description: "Who said so: a source of events, or the table of a declared source of profiles",
    },
    value: { type: "string", description: "What it said last" },
    occurred_at: { type: "timestamp", description: "UTC; when it said so" },
    event_id: { type: "string", description: "The event that said so; NULL where a table did" },
    changes: bigint("Distinct values that this source has said"),
    stands: { type: "boolean", description: "The latest of all sources: the customer's value" },
    sources_differ: { type: "boolean", description: "A conflict: another source says something else" },
  },
  reads: [...curatedTables.map(({ name }) => name), profileValues.name],
  engine: "spark",
  sql: (m, parameters) => {
    const traits = traitsOf(parameters);
    const ofTraits = traits.map(
      (name) => `
  SELECT customer_key, 'trait.${name}' AS attribute, source, ${m.jsonText("traits", name)} AS value, occurred_at, event_id
  FROM curated_identifies
  WHERE customer_key IS NOT NULL AND ${m.jsonText("traits", name)} IS NOT NULL`,
    );
    return `
WITH said AS (
  SELECT customer_key, 'country' AS attribute, source, country AS value, occurred_at, event_id
  FROM ${curatedEventTables.every}
  WHERE customer_key IS NOT NULL AND country IS NOT NULL${ofTraits.map((each) => `\n  UNION ALL${each}`).join("")}
),
-- Few say more than one thing: the last time of each is found before anything is put in order.
distinct_values AS (
  SELECT customer_key, attribute, source, value, max(occurred_at) AS occurred_at
  FROM said
  GROUP BY customer_key, attribute, source, value
),
stated AS (
  SELECT d.customer_key, d.attribute, d.source, d.value, d.occurred_at, max(s.event_id) AS event_id
  FROM distinct_values AS d
  JOIN said AS s
    ON s.customer_key = d.customer_key AND s.attribute = d.attribute AND s.source = d.source AND s.value = d.value
    AND s.occurred_at = d.occurred_at
  GROUP BY d.customer_key, d.attribute, d.source, d.value, d.occurred_at
),
in_turn AS (
  SELECT
    stated.*,
    row_number() OVER (PARTITION BY customer_key, attribute, source ORDER BY occurred_at DESC, event_id DESC) AS turn,
    count(*) OVER (PARTITION BY customer_key, attribute, source) AS changes
  FROM stated
),
-- What a table says no longer it has taken back.
looked AS (
  SELECT
    customer_key, attribute, told_by AS source, value, told_at AS occurred_at,
    row_number() OVER (PARTITION BY customer_key, attribute, told_by ORDER BY cutoff DESC) AS turn
  FROM ${profileValues.name}
  WHERE attribute <> '${PRESENT}'
),
looked_changes AS (
  SELECT customer_key, attribute, source, count(DISTINCT value) AS changes
  FROM looked
  GROUP BY customer_key, attribute, source
),
latest AS (
  SELECT customer_key, attribute, source, value, occurred_at, event_id, CAST(changes AS bigint) AS changes
  FROM in_turn
  WHERE turn = 1
  UNION ALL
  SELECT l.customer_key, l.attribute, l.source, l.value, l.occurred_at, NULL AS event_id, CAST(c.changes AS bigint) AS changes
  FROM looked AS l
  JOIN looked_changes AS c ON c.customer_key = l.customer_key AND c.attribute = l.attribute AND c.source = l.source
  WHERE l.turn = 1 AND l.value IS NOT NULL
)
SELECT
  customer_key, attribute, source, value, occurred_at, event_id, changes,
  row_number() OVER (
    PARTITION BY customer_key, attribute ORDER BY occurred_at DESC, event_id DESC NULLS LAST, source
  ) = 1 AS stands,
  min(value) OVER (PARTITION BY customer_key, attribute) <> max(value) OVER (PARTITION BY customer_key, attribute) AS sources_differ
FROM latest`;
  },
  tests: {
    "one value of an attribute stands": `
      SELECT customer_key FROM customer_attributes GROUP BY customer_key, attribute
      HAVING count(CASE WHEN stands THEN 1 END) <> 1`,
    "no attribute is without its source and its time": `
      SELECT customer_key FROM customer_attributes
      WHERE source IS NULL OR occurred_at IS NULL OR value IS NULL OR (event_id IS NULL AND source NOT LIKE 'source_%')`,
  },
};
