/**
 * The curated tables: every distinct event once, in the month in which it occurred, without erased customers.
 *
 * A run with `months` is right when these hold every month in which an event occurred that arrived since the last run
 * (`touchedMonths`), and every month with rows of a customer who was erased since then. An event of an older month that
 * arrives today touches its own month alone: the state of an order is not stored but found by those who read, over all
 * months, so an order that spans months needs no special care.
 */
import { type EventKind, eventKinds, orderKinds } from "@ebb/core/kinds";
import type { BatchParameters, BatchTable } from "../batch-table.ts";
import type { Dialect } from "../dialect.ts";
import type { EventTables } from "../event-tables.ts";
import { rawEventsColumns } from "../raw-events.ts";
import type { ViewColumn } from "../table.ts";
import { socialActivity, webActivity } from "../tables/activity.ts";
import { inMonths } from "./literals.ts";
import { lineSums } from "./line-lists.ts";

/** The UTC month `YYYY-MM` of a timestamp. */
export const monthText = (m: Dialect, timestamp: string): string => `substr(${m.dayText(m.truncDay(timestamp))}, 1, 7)`;

/** A SELECT of the months of a timestamp in a relation. */
export const monthsSql = (m: Dialect, timestamp: string, relation: string): string => `
SELECT DISTINCT ${monthText(m, "day")} AS month FROM (SELECT DISTINCT ${m.truncDay(timestamp)} AS day FROM ${relation}) AS days`;

const rawColumns = (names: readonly string[]): Record<string, ViewColumn> =>
  Object.fromEntries(
    names.map((name) => {
      const column = rawEventsColumns.find((candidate) => candidate.name === name);
      if (column === undefined) throw new TypeError(`raw_events has no column ${name}`);
      return [name, { type: column.type, description: column.description }];
    }),
  );

const listed = (kinds: readonly EventKind[]): string => kinds.map((kind) => `'${kind}'`).join(", ");

const socialKinds = ["social_mentioned", "social_engaged"] as const satisfies EventKind[];
const personKinds = ["identify", "group", "alias", "identity_unlinked"] as const satisfies EventKind[];
const webKinds = eventKinds.filter(
  (kind) => !orderKinds.has(kind) && ![...socialKinds, ...personKinds].includes(kind as (typeof socialKinds)[number]),
);

const kindsOf = {
  curated_order_events: [...orderKinds],
  curated_activity: webKinds,
  curated_social: socialKinds,
  curated_identifies: personKinds,
} as const satisfies Record<string, readonly EventKind[]>;

interface CuratedOptions {
  readonly name: keyof typeof kindsOf;
  readonly grain: string;
  /** Columns of `raw_events` that are kept. */
  readonly columns: readonly string[];
  /** Columns of `raw_events` by which two rows are the same event. */
  readonly sameEvent: readonly string[];
  /** Columns computed from those, before the month. */
  readonly computed?: Readonly<Record<string, ViewColumn & { readonly sql: (m: Dialect) => string }>>;
}

const curated = ({ name, grain, columns, sameEvent, computed = {} }: CuratedOptions): BatchTable => ({
  name,
  grain,
  key: sameEvent,
  columns: {
    ...rawColumns(columns),
    ...Object.fromEntries(
      Object.entries(computed).map(([column, { type, description }]) => [column, { type, description }]),
    ),
    month: { type: "string", description: "UTC month of occurred_at, YYYY-MM (partition)" },
  },
  partitionedBy: "month",
  // Otherwise the same event may lie in two months, and to see which is which each month reads all of them.
  ...(sameEvent.includes("occurred_at")
    ? { monthsSql: (m: Dialect) => monthsSql(m, "occurred_at", `raw_events WHERE kind IN (${listed(kindsOf[name])})`) }
    : {}),
  reads: ["raw_events", "erased_customers"],
  engine: "spark",
  sql: (m, { months }: BatchParameters) => {
    const sameMonth = sameEvent.includes("occurred_at");
    const wanted = months === undefined ? [] : [inMonths("r.occurred_at", months)];
    const ofKinds = `r.kind IN (${listed(kindsOf[name])})`;
    // Rows that are the same event lie in the same month only when its time is part of what makes them the same.
    const compared = [ofKinds, ...(sameMonth ? wanted : [])].join("\n    AND ");
    const kept = [ofKinds, ...wanted].join("\n    AND ");
    const equal = (names: readonly string[]): string => names.map((name) => `f.${name} = r.${name}`).join(" AND ");
    const of = (names: readonly string[]): string => names.map((name) => `r.${name}`).join(", ");
    const derived = Object.entries(computed).map(([column, { sql }]) => `${sql(m)} AS ${column}, `);
    // Whole rows are read once; which of them are wanted is found from the few columns that say so.
    return `
WITH doubled AS (
  SELECT ${sameEvent.join(", ")}
  FROM raw_events AS r
  WHERE ${compared}
  GROUP BY ${sameEvent.join(", ")}
  HAVING count(*) > 1
),
ranked AS (
  SELECT
    ${of([...sameEvent, ...receipt])},
    row_number() OVER (PARTITION BY ${of(sameEvent)} ORDER BY ${of(receipt)}) AS receipt_rank,
    count(*) OVER (PARTITION BY ${of([...sameEvent, ...receipt])}) AS landings
  FROM raw_events AS r
  JOIN doubled AS f ON ${equal(sameEvent)}
  WHERE ${compared}
),
first_receipts AS (
  SELECT ${[...sameEvent, ...receipt].join(", ")}, landings FROM ranked WHERE receipt_rank = 1
),
distinct_events AS (
  SELECT ${of(columns)}
  FROM raw_events AS r
  LEFT JOIN first_receipts AS f ON ${equal(sameEvent)}
  WHERE (f.event_id IS NULL OR (f.landings = 1 AND ${equal(receipt)}))
    AND ${kept}
  UNION ALL
  -- One receipt that landed twice.
  SELECT ${columns.join(", ")}
  FROM (
    SELECT ${of(columns)}, row_number() OVER (PARTITION BY ${of(sameEvent)} ORDER BY ${of(receipt)}) AS landing
    FROM raw_events AS r
    JOIN first_receipts AS f ON ${equal([...sameEvent, ...receipt])}
    WHERE f.landings > 1
      AND ${kept}
  ) AS landed
  WHERE landing = 1
)
SELECT
  ${of(columns)},
  ${derived.join("\n  ")}${monthText(m, "r.occurred_at")} AS month
FROM distinct_events AS r
LEFT JOIN (SELECT DISTINCT customer_key AS erased_key FROM erased_customers) AS e ON e.erased_key = r.customer_key
WHERE e.erased_key IS NULL`;
  },
  tests: {
    "one row an event": `SELECT event_id FROM ${name} GROUP BY ${sameEvent.join(", ")} HAVING count(*) > 1`,
    "no erased customer": `
      SELECT c.event_id FROM ${name} AS c JOIN erased_customers AS e ON e.customer_key = c.customer_key`,
  },
});

const receipt = ["received_at", "receipt_id", "receipt_number"];

/** Minor units of the order's currency in those of the reporting currency, at the order's own rate. */
const inReporting = (minor: string): string => `
  CASE
    WHEN ${minor} IS NULL OR ${minor} <= 0 THEN 0
    WHEN currency = reporting_currency THEN ${minor}
    WHEN total_minor <> 0 THEN CAST(round(
      CAST(${minor} AS double) * CAST(reporting_minor AS double) / CAST(total_minor AS double)
    ) AS bigint)
    ELSE 0
  END`;

/**
 * A producer that sends an order event again may state its time anew (by its clock against ours), and the score stage
 * folds both: the earliest as the order's time, the latest as its version. So that its sums and those made of this
 * table are the same, what was stated with another time is another row.
 */
export const curatedOrderEvents: BatchTable = curated({
  name: "curated_order_events",
  grain: "one row per order event and the time it was stated with, as first received",
  columns: [
    ...["event_id", "kind", "source", "occurred_at", ...receipt, "customer_key", "anonymous_key", "country"],
    ...["order_id", "order_rank", "order_version", "refund_id", "full_refund", "currency", "total_minor"],
    ...["reporting_currency", "reporting_minor", "coupon", "discount_minor", "shipping_minor", "tax_minor", "lines"],
  ],
  sameEvent: ["event_id", "occurred_at"],
  computed: {
    reporting_discount_minor: {
      type: "bigint",
      description: "discount_minor in minor units of reporting_currency, 0 where there was none",
      sql: () => inReporting("discount_minor"),
    },
    units: { type: "decimal(18,6)", description: "Σ quantity of the lines", sql: (m) => lineSums(m).units },
    line_count: { type: "bigint", description: "Lines", sql: (m) => lineSums(m).lineCount },
    product_count: {
      type: "bigint",
      description: "Distinct products of the lines",
      sql: (m) => lineSums(m).productCount,
    },
    category_count: {
      type: "bigint",
      description: "Distinct categories of the lines",
      sql: (m) => lineSums(m).categoryCount,
    },
  },
});

const ofView = (columns: Readonly<Record<string, unknown>>): string[] => {
  const [event_id, kind, name, source, occurred_at, , ...others] = Object.keys(columns) as [
    string,
    string,
    string,
    string,
    string,
    string,
    ...string[],
  ];
  return [event_id, kind, name, source, occurred_at, ...receipt, ...others];
};

export const curatedActivity: BatchTable = curated({
  name: "curated_activity",
  grain: "one row per event of a visit, as first received",
  columns: ofView(webActivity.columns),
  sameEvent: ["event_id"],
});

export const curatedSocial: BatchTable = curated({
  name: "curated_social",
  grain: "one row per post about the shop or engagement with it, as first received",
  columns: ofView(socialActivity.columns),
  sameEvent: ["event_id"],
});

export const curatedIdentifies: BatchTable = curated({
  name: "curated_identifies",
  grain:
    "one row per call that said who a visitor is or is not (identify, group, alias, Identity Unlinked), as first received",
  columns: [
    "event_id",
    "kind",
    "source",
    "occurred_at",
    ...receipt,
    "customer_key",
    "anonymous_key",
    "country",
    "traits",
    "email_key",
    "author_key",
    "unlinked_key",
  ],
  sameEvent: ["event_id"],
});

export const curatedTables: readonly BatchTable[] = [
  curatedOrderEvents,
  curatedActivity,
  curatedSocial,
  curatedIdentifies,
];

const everyColumns = "event_id, kind, source, occurred_at, received_at, customer_key, anonymous_key, country";

/** The events of every kind as one relation, with the columns that say who was seen. */
const every = `(${curatedTables
  .map(
    ({ name }) => `SELECT ${everyColumns}, ${name === "curated_identifies" ? "traits" : "NULL AS traits"} FROM ${name}`,
  )
  .join(" UNION ALL ")}) AS curated_events`;

/** The views over the curated tables: the same rows as over `raw_events`, as of the last run and without the erased. */
export const curatedEventTables: EventTables = {
  orders: "curated_order_events",
  web: "curated_activity",
  social: "curated_social",
  every,
};

/**
 * A SELECT of `table_name` and `day`: the UTC days on which events of each curated table occurred that arrived on or after a
 * day, and those of the same events where they arrived before. Their months must be written anew.
 */
export const touchedDays = (m: Dialect, arrivedSince: string): string => `
WITH arrived AS (SELECT DISTINCT event_id FROM raw_events WHERE dt >= '${arrivedSince}')
SELECT DISTINCT
  CASE ${Object.entries(kindsOf)
    .map(([name, kinds]) => `WHEN r.kind IN (${listed(kinds)}) THEN '${name}'`)
    .join(" ")} END AS table_name,
  ${m.dayText(m.truncDay("r.occurred_at"))} AS day
FROM raw_events AS r
JOIN arrived AS a ON a.event_id = r.event_id`;

/** A SELECT of `table_name` and `day`: the first days of the months in which curated rows of erased customers are left. */
export const erasedDays = (): string =>
  curatedTables
    .map(
      ({ name }) =>
        `SELECT DISTINCT '${name}' AS table_name, concat(c.month, '-01') AS day FROM ${name} AS c JOIN erased_customers AS e ON e.customer_key = c.customer_key`,
    )
    .join("\nUNION\n");
