/**
 * Whose a key is. A customer id stands above an e-mail address, that above a handle, that above an anonymous id; a key
 * belongs to one key above it, so that everything has one owner and two customer ids are never one person
 * (docs/decisions/0018-identity.md). What the tables hold is found anew by every run from the events alone, in whatever order
 * and however often they arrived.
 */
import type { BatchTable } from "../batch-table.ts";
import { curatedTables } from "./curated.ts";

/** The strongest first. */
export const keyKinds = ["customer", "email", "handle", "anonymous"] as const;
export type KeyKind = (typeof keyKinds)[number];

const columnOf: Readonly<Record<KeyKind, string>> = {
  customer: "customer_key",
  email: "email_key",
  handle: "author_key",
  anonymous: "anonymous_key",
};

/** Every weaker kind with every stronger one. */
const pairs = keyKinds.flatMap((kind, at) => keyKinds.slice(0, at).map((other) => ({ kind, other })));

/** What of a curated table names two keys or more; of an un-merge nothing is linked. */
const namedIn = (name: string, known: string): string => {
  const has = {
    email_key: name === "curated_identifies",
    author_key: name === "curated_identifies" || name === "curated_social",
  };
  const column = (key: keyof typeof has): string => (has[key] ? key : `CAST(NULL AS varchar(64)) AS ${key}`);
  const present = ["customer_key", "anonymous_key", ...(["email_key", "author_key"] as const).filter((key) => has[key])]
    .map((key) => `CASE WHEN ${key} IS NULL THEN 0 ELSE 1 END`)
    .join(" + ");
  const links = name === "curated_identifies" ? " AND kind <> 'identity_unlinked'" : "";
  return `SELECT source, customer_key, ${column("email_key")}, ${column("author_key")}, anonymous_key, occurred_at
  FROM ${name}
  WHERE ${present} > 1${links} AND ${known}`;
};

const ofPair = (value: (pair: (typeof pairs)[number]) => string): string =>
  `CASE p.pair ${pairs.map((pair, at) => `WHEN ${at} THEN ${value(pair)}`).join(" ")} END`;

/** CTEs up to `paired`: one row per source, pair of keys and whatever else was named with them. */
const pairedCtes = (known: string): string => `named AS (
  ${curatedTables.map(({ name }) => namedIn(name, known)).join("\n  UNION ALL\n  ")}
),
together AS (
  SELECT
    source, customer_key, email_key, author_key, anonymous_key,
    min(occurred_at) AS first_at, max(occurred_at) AS last_at, count(*) AS events
  FROM named
  GROUP BY source, customer_key, email_key, author_key, anonymous_key
),
paired AS (
  SELECT
    t.source, t.first_at, t.last_at, t.events,
    ${ofPair(({ kind }) => `t.${columnOf[kind]}`)} AS key,
    ${ofPair(({ kind }) => `'${kind}'`)} AS kind,
    ${ofPair(({ other }) => `t.${columnOf[other]}`)} AS other_key,
    ${ofPair(({ other }) => `'${other}'`)} AS other_kind
  FROM together AS t
  CROSS JOIN (VALUES ${pairs.map((_, at) => `(${at})`).join(", ")}) AS p (pair)
)`;

export const identityLinks: BatchTable = {
  name: "identity_links",
  grain: "one row per source and pair of keys that an event named together, the weaker one first",
  key: ["source", "key", "other_key"],
  columns: {
    source: { type: "string", description: "Source of the events" },
    key: { type: "string", description: "Pseudonym" },
    kind: { type: "string", description: "`email`, `handle` or `anonymous`" },
    other_key: { type: "string", description: "Pseudonym of the stronger key" },
    other_kind: { type: "string", description: "`customer`, `email` or `handle`" },
    first_linked_at: { type: "timestamp", description: "UTC; before it nobody could know of the link" },
    last_linked_at: { type: "timestamp", description: "UTC" },
    events: { type: "bigint", description: "Events that named both" },
    customer_key: { type: "string", description: "`other_key` where it is a customer's" },
    anonymous_key: { type: "string", description: "`key` where it is a device's" },
  },
  reads: curatedTables.map(({ name }) => name),
  engine: "spark",
  sql: () => `
WITH ${pairedCtes("true")}
SELECT
  source, key, kind, other_key, other_kind,
  min(first_at) AS first_linked_at, max(last_at) AS last_linked_at, CAST(sum(events) AS bigint) AS events,
  CASE WHEN other_kind = 'customer' THEN other_key END AS customer_key,
  CASE WHEN kind = 'anonymous' THEN key END AS anonymous_key
FROM paired
WHERE key IS NOT NULL AND other_key IS NOT NULL
GROUP BY source, key, kind, other_key, other_kind`,
  tests: {
    "one row a source and pair": `
      SELECT key FROM identity_links GROUP BY source, key, other_key HAVING count(*) > 1`,
    "no key is linked to itself or to a weaker one": `
      SELECT key FROM identity_links WHERE kind = other_kind OR kind = 'customer' OR other_kind = 'anonymous'`,
  },
};

/** The latest un-merge of each key from each customer: what linked them until then counts no more. */
const unlinksSql = (known: string): string => `
  SELECT unlinked_key, customer_key AS unlinked_customer, max(occurred_at) AS unlinked_at
  FROM curated_identifies
  WHERE kind = 'identity_unlinked' AND unlinked_key IS NOT NULL AND customer_key IS NOT NULL AND ${known}
  GROUP BY unlinked_key, customer_key`;

/** The owners of one kind of key: `found` are the owners of the kinds above it. */
const ownersOf = (kind: Exclude<KeyKind, "customer">, found: readonly Exclude<KeyKind, "customer">[]): string => {
  const joins = found.map(
    (above) => `LEFT JOIN ${above}_owners AS ${above} ON ${above}.key = l.other_key AND l.other_kind = '${above}'`,
  );
  const person = [
    "CASE WHEN l.other_kind = 'customer' THEN l.other_key END",
    ...found.map((above) => `${above}.person_key`),
  ];
  const customer = [person[0]!, ...found.map((above) => `${above}.customer_key`)];
  const either = (parts: readonly string[]): string =>
    parts.length === 1 ? parts[0]! : `coalesce(${parts.join(", ")})`;
  return `
${kind}_candidates AS (
  SELECT
    l.key, l.other_key, l.other_kind, l.first_at, l.last_at,
    coalesce(${[...person, "l.other_key"].join(", ")}) AS person_key,
    ${either(customer)} AS customer_key
  FROM links AS l
  ${joins.join("\n  ")}
  WHERE l.kind = '${kind}'
),
${kind}_owners AS (
  SELECT key, person_key, customer_key, other_kind AS via, first_at, last_at
  FROM (
    SELECT
      c.*,
      row_number() OVER (
        PARTITION BY c.key
        ORDER BY
          CASE c.other_kind ${keyKinds.map((each, at) => `WHEN '${each}' THEN ${at}`).join(" ")} END,
          c.last_at DESC, c.other_key
      ) AS turn
    FROM ${kind}_candidates AS c
    LEFT JOIN unlinks AS u ON u.unlinked_key = c.key AND u.unlinked_customer = c.customer_key
    WHERE u.unlinked_at IS NULL OR c.last_at > u.unlinked_at
  ) AS in_turn
  WHERE turn = 1
)`;
};

/** CTEs `email_owners`, `handle_owners`, `anonymous_owners` (key, person_key, customer_key, via, first_at, last_at) over `links`. */
const ownerCtes = (known: string): string => `unlinks AS (${unlinksSql(known)}
),${ownersOf("email", [])},${ownersOf("handle", ["email"])},${ownersOf("anonymous", ["email", "handle"])}`;

/**
 * The same as of an instant, from the curated tables. Trino computes a CTE once for each place that names it, and takes 150
 * stages in a query: name the kind of owners that is needed, once.
 *
 * @param known true for events that are known
 */
export const ownersAsOf = (known: string): string => `${pairedCtes(known)},
links AS (
  SELECT key, kind, other_key, other_kind, min(first_at) AS first_at, max(last_at) AS last_at
  FROM paired
  WHERE key IS NOT NULL AND other_key IS NOT NULL
  GROUP BY key, kind, other_key, other_kind
),
${ownerCtes(known)}`;

export const identityKeys: BatchTable = {
  name: "identity_keys",
  grain: "one row per key that an event named together with another, and whose it is",
  key: ["key"],
  columns: {
    key: { type: "string", description: "Pseudonym" },
    kind: { type: "string", description: "`email`, `handle` or `anonymous`" },
    person_key: { type: "string", description: "The strongest key that it leads to; itself where nothing links it" },
    customer_key: { type: "string", description: "`person_key` where it is a customer's; NULL while nobody is known" },
    via: { type: "string", description: "Kind of the key that it was named with; NULL where every link is parted" },
    linked_at: { type: "timestamp", description: "UTC; when that was first so" },
    last_linked_at: { type: "timestamp", description: "UTC; when that was last so" },
    customers: {
      type: "bigint",
      description: "Customers that it was ever named with: more than one is a conflict, which the latest wins",
    },
    anonymous_key: { type: "string", description: "`key` where it is a device's" },
  },
  reads: ["identity_links", "curated_identifies"],
  engine: "spark",
  sql: () => `
WITH links AS (
  SELECT
    key, kind, other_key, other_kind, min(first_linked_at) AS first_at, max(last_linked_at) AS last_at
  FROM identity_links
  GROUP BY key, kind, other_key, other_kind
),
${ownerCtes("true")},
owners AS (
  SELECT * FROM email_owners UNION ALL SELECT * FROM handle_owners UNION ALL SELECT * FROM anonymous_owners
),
-- A key may be named as the stronger one alone.
every_key AS (
  SELECT key, kind, CAST(count(DISTINCT CASE WHEN is_customer THEN other_key END) AS bigint) AS customers
  FROM (
    SELECT key, kind, other_key, other_kind = 'customer' AS is_customer FROM links
    UNION ALL
    SELECT other_key AS key, other_kind AS kind, key AS other_key, false AS is_customer FROM links WHERE other_kind <> 'customer'
  ) AS sides
  GROUP BY key, kind
)
SELECT
  k.key, k.kind, coalesce(o.person_key, k.key) AS person_key, o.customer_key, o.via,
  o.first_at AS linked_at, o.last_at AS last_linked_at, k.customers,
  CASE WHEN k.kind = 'anonymous' THEN k.key END AS anonymous_key
FROM every_key AS k
LEFT JOIN owners AS o ON o.key = k.key`,
  tests: {
    "a key has one owner": "SELECT key FROM identity_keys GROUP BY key HAVING count(*) > 1",
    "an owner is nobody's own": `
      SELECT k.key FROM identity_keys AS k JOIN identity_keys AS p ON p.key = k.person_key
      WHERE p.person_key <> p.key`,
    "who is named with no customer has none by them": `
      SELECT key FROM identity_keys WHERE via = 'customer' AND (customer_key IS NULL OR customers = 0)`,
  },
};

export const identityChanges: BatchTable = {
  name: "identity_changes",
  grain: "one row per merge of a key into a customer and per un-merge, in the source that said so",
  key: ["source", "key", "customer_key", "change", "occurred_at"],
  columns: {
    occurred_at: { type: "timestamp", description: "UTC" },
    change: { type: "string", description: "`merged`: first named together; `unmerged`: an Identity Unlinked event" },
    key: { type: "string", description: "Pseudonym" },
    customer_key: { type: "string", description: "Pseudonym" },
    source: { type: "string", description: "Which source said so" },
    anonymous_key: { type: "string", description: "`key` where it is a device's" },
  },
  reads: ["identity_links", "curated_identifies"],
  engine: "athena",
  sql: () => `
SELECT first_linked_at AS occurred_at, 'merged' AS change, key, other_key AS customer_key, source, anonymous_key
FROM identity_links
WHERE other_kind = 'customer'
UNION ALL
SELECT DISTINCT
  occurred_at, 'unmerged' AS change, unlinked_key AS key, customer_key, source,
  CASE WHEN unlinked_key LIKE 'ano%' THEN unlinked_key END AS anonymous_key
FROM curated_identifies
WHERE kind = 'identity_unlinked' AND unlinked_key IS NOT NULL AND customer_key IS NOT NULL`,
  tests: {
    "a key is merged into a customer once a source": `
      SELECT key FROM identity_changes WHERE change = 'merged'
      GROUP BY source, key, customer_key HAVING count(*) > 1`,
  },
};
