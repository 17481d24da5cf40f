/**
 * The catalogue: what a product is called, where it belongs and what it costs, now and before, with who said so. What a
 * declared source says goes over what was learned from order lines and visits, from the day on which it said so.
 */
import type { BatchTable } from "../batch-table.ts";
import type { Dialect } from "../dialect.ts";
import type { ViewColumn } from "../table.ts";
import { PRESENT, catalogueValues, toldAttributes } from "./told-tables.ts";

const bigint = (description: string) => ({ type: "bigint", description }) as const;
const text = (description: string) => ({ type: "string", description }) as const;
const day = (description: string) => ({ type: "date", description }) as const;
const price = (description: string) => ({ type: "decimal(18,6)", description }) as const;

/** Told by order lines and visits. */
const EVENTS = "events";
const TOLD_BY = "`events`, or the table of a declared source: the first to say so";

/** Values with the day on which each was said; `item` is what of a product they are about. */
interface Sayings {
  readonly item: string;
  /** SELECT of source, product_id, item, day and value; one row a day. */
  readonly learned: string;
  /** Of `catalogue_values`: which rows, and the value. */
  readonly where: string;
  readonly value: string;
}

/**
 * CTEs up to `spans`: source, product_id, item, value, told_by, from_day, until_day, previous_value. Of several sources on
 * one day the last that a run found; a source's day is never before the day that it told last.
 */
const spansSql = (m: Dialect, { item, learned, where, value }: Sayings): string => {
  const of = `source, product_id, ${item}`;
  const ofLearned = `l.source, l.product_id, l.${item}`;
  const sameItem = `s.source = l.source AND s.product_id = l.product_id AND s.${item} = l.${item}`;
  return `
found AS (
  SELECT ${of}, told_by, ${value} AS value, told_at, cutoff, ${m.truncDay("told_at")} AS day
  FROM catalogue_values
  WHERE ${where}
),
in_time AS (
  SELECT
    ${of}, told_by, value, told_at, cutoff,
    max(day) OVER (PARTITION BY ${of}, told_by ORDER BY cutoff ROWS UNBOUNDED PRECEDING) AS day
  FROM found
),
declared AS (
  SELECT ${of}, day, value, told_by
  FROM (
    SELECT
      in_time.*,
      row_number() OVER (PARTITION BY ${of}, day ORDER BY cutoff DESC, told_at DESC, told_by DESC) AS turn
    FROM in_time
  ) AS in_turn
  WHERE turn = 1
),
learned AS (${learned}),
-- Of most no source says anything: what was learned is all there is.
of_sources AS (
  SELECT DISTINCT ${of} FROM declared
),
said AS (
  SELECT ${of}, day, value, told_by, 1 AS by_source FROM declared
  UNION ALL
  SELECT ${ofLearned}, l.day, l.value, '${EVENTS}' AS told_by, 0 AS by_source
  FROM learned AS l
  JOIN of_sources AS s ON ${sameItem}
),
-- What was learned counts where the last word of the sources is that they have nothing to say.
in_reign AS (
  SELECT
    said.*,
    sum(by_source) OVER (PARTITION BY ${of} ORDER BY day, by_source DESC ROWS UNBOUNDED PRECEDING) AS reign
  FROM said
),
under AS (
  SELECT
    in_reign.*,
    max(CASE WHEN by_source = 1 THEN value END) OVER (PARTITION BY ${of}, reign) AS ruling
  FROM in_reign
),
counting AS (
  SELECT ${of}, day, value, told_by
  FROM under
  WHERE value IS NOT NULL AND (by_source = 1 OR ruling IS NULL)
  UNION ALL
  SELECT ${ofLearned}, l.day, l.value, '${EVENTS}' AS told_by
  FROM learned AS l
  LEFT JOIN of_sources AS s ON ${sameItem}
  WHERE s.source IS NULL AND l.value IS NOT NULL
),
counted AS (
  SELECT
    ${of}, day, value, told_by,
    lag(value) OVER (PARTITION BY ${of} ORDER BY day) AS previous_value
  FROM counting
),
spans AS (
  SELECT
    ${of}, value, told_by, day AS from_day,
    lead(day) OVER (PARTITION BY ${of} ORDER BY day) AS until_day,
    previous_value
  FROM counted
  WHERE previous_value IS NULL OR previous_value <> value
)`;
};

const spanTests = (table: string, item: string, value: string, previous: string) => ({
  "spans follow each other, each with another value": `
      SELECT product_id FROM ${table} WHERE until_day <= from_day OR ${previous} = ${value}`,
  "one value is the last": `
      SELECT product_id FROM ${table} GROUP BY source, product_id, ${item}
      HAVING count(CASE WHEN until_day IS NULL THEN 1 END) <> 1`,
});

const valueOf = (item: string, of: (name: (typeof toldAttributes)[number]) => string): string =>
  `CASE ${item} ${toldAttributes.map((name) => `WHEN '${name}' THEN ${of(name)}`).join(" ")} END`;

/**
 * CTEs up to `learned_values`: what order lines and visits told of the attributes of products. Most have one value for good,
 * and where no source declares another its first day is all that is asked; of the others every day.
 */
const learnedCtes = (): string => `bounds AS (
  SELECT
    source, product_id,
    ${toldAttributes
      .map(
        (name) => `min(${name}) AS low_${name}, max(${name}) AS high_${name},
    min(CASE WHEN ${name} IS NOT NULL THEN day END) AS first_${name}`,
      )
      .join(",\n    ")}
  FROM product_days
  GROUP BY source, product_id
),
attributes AS (
  SELECT
    b.source, b.product_id, n.attribute,
    ${valueOf("n.attribute", (name) => `b.low_${name}`)} AS low,
    ${valueOf("n.attribute", (name) => `b.high_${name}`)} AS high,
    ${valueOf("n.attribute", (name) => `b.first_${name}`)} AS first_day
  FROM bounds AS b
  CROSS JOIN (VALUES ${toldAttributes.map((name) => `('${name}')`).join(", ")}) AS n (attribute)
),
declared_attributes AS (
  SELECT DISTINCT source, product_id, attribute FROM catalogue_values
),
judged AS (
  SELECT
    a.source, a.product_id, a.attribute, a.low, a.first_day, a.low <> a.high OR d.product_id IS NOT NULL AS by_day
  FROM attributes AS a
  LEFT JOIN declared_attributes AS d
    ON d.source = a.source AND d.product_id = a.product_id AND d.attribute = a.attribute
  WHERE a.low IS NOT NULL
),
learned_values AS (
  SELECT source, product_id, attribute, first_day AS day, low AS value FROM judged WHERE NOT by_day
  UNION ALL
  SELECT j.source, j.product_id, j.attribute, p.day, max(${valueOf("j.attribute", (name) => `p.${name}`)}) AS value
  FROM judged AS j
  JOIN product_days AS p ON p.source = j.source AND p.product_id = j.product_id
  WHERE j.by_day AND ${valueOf("j.attribute", (name) => `p.${name}`)} IS NOT NULL
  GROUP BY j.source, j.product_id, j.attribute, p.day
)`;

export const productHistory: BatchTable = {
  name: "product_history",
  grain: "one row per source, product, attribute and span of days with the same value",
  key: ["source", "product_id", "attribute", "from_day"],
  columns: {
    source: text("Source of the events"),
    product_id: text("As in product_catalogue"),
    attribute: text(toldAttributes.map((name) => `\`${name}\``).join(", ")),
    value: text("Of several that were learned on one day the greatest"),
    told_by: text(TOLD_BY),
    from_day: day("UTC; the first day on which it was told"),
    until_day: day("UTC; the first day on which another was told; NULL for the last"),
    previous_value: text("NULL for the first"),
  },
  reads: ["product_days", catalogueValues.name],
  engine: "athena",
  sql: (m) => {
    const names = toldAttributes.map((name) => `'${name}'`).join(", ");
    return `
WITH ${learnedCtes()},
${spansSql(m, {
  item: "attribute",
  learned: "SELECT source, product_id, attribute, day, value FROM learned_values",
  where: `attribute IN (${names})`,
  value: "value",
}).trim()}
SELECT source, product_id, attribute, value, told_by, from_day, until_day, previous_value
FROM spans`;
  },
  tests: spanTests("product_history", "attribute", "value", "previous_value"),
};

export const productPrices: BatchTable = {
  name: "product_prices",
  grain: "one row per source, product, currency and span of days with the same price",
  key: ["source", "product_id", "currency", "from_day"],
  columns: {
    source: text("Source of the events"),
    product_id: text("As in product_catalogue"),
    currency: text("Empty where none was told"),
    price: price("What a declared source says; where none does, the day's most frequent unit price"),
    from_day: day("UTC; the first day on which it was told"),
    until_day: day("UTC; the first day on which another was told; NULL for the last"),
    previous_price: price("NULL for the first"),
    told_by: text(TOLD_BY),
  },
  reads: ["product_days", catalogueValues.name],
  engine: "athena",
  sql: (m) => `
WITH ${spansSql(m, {
    item: "currency",
    learned: "SELECT source, product_id, currency, day, price AS value FROM product_days WHERE price IS NOT NULL",
    where: "attribute = 'price'",
    value: "CAST(value AS decimal(18,6))",
  }).trim()}
SELECT source, product_id, currency, value AS price, from_day, until_day, previous_value AS previous_price, told_by
FROM spans`,
  tests: spanTests("product_prices", "currency", "price", "previous_price"),
};

export const productCatalogue: BatchTable = {
  name: "product_catalogue",
  grain: "one row per source and product, as a declared source has it; what none says, as it was learned last",
  key: ["source", "product_id"],
  columns: {
    source: text("Source of the events"),
    product_id: text("The producer's id; where there is none its SKU, else its name"),
    ...Object.fromEntries<ViewColumn>(
      toldAttributes.flatMap((name): [string, ViewColumn][] => [
        [name, text("What stands")],
        [`${name}_told_by`, text(TOLD_BY)],
        [`${name}_since`, day("UTC; the day since which it stands")],
      ]),
    ),
    names: bigint("Distinct names that stood: more than one is a renaming, or an id that is used twice"),
    categories: bigint("Distinct categories that stood"),
    listed_by: text("The table of a declared source that has the product now; NULL where none has"),
    first_day: day("UTC; an order line or a visit first told of it; NULL where none did"),
    last_day: day("UTC; an order line or a visit last told of it; NULL where none did"),
    told: bigint("Order lines, views and cart additions that told of it"),
    ordered: bigint("Of those the order lines"),
  },
  reads: ["product_days", "product_history", catalogueValues.name],
  engine: "athena",
  sql: () => `
WITH learned AS (
  SELECT
    source, product_id, min(day) AS first_day, max(day) AS last_day,
    CAST(sum(told) AS bigint) AS told, CAST(sum(ordered) AS bigint) AS ordered
  FROM product_days
  GROUP BY source, product_id
),
looked AS (
  SELECT
    source, product_id, told_by, value,
    row_number() OVER (PARTITION BY source, product_id, told_by ORDER BY cutoff DESC) AS turn
  FROM catalogue_values
  WHERE attribute = '${PRESENT}'
),
listed AS (
  SELECT source, product_id, max(CASE WHEN value IS NOT NULL THEN told_by END) AS listed_by
  FROM looked
  WHERE turn = 1
  GROUP BY source, product_id
),
every_product AS (
  SELECT source, product_id FROM learned
  UNION
  SELECT source, product_id FROM listed
),
standing AS (
  SELECT
    source, product_id,
    ${toldAttributes
      .flatMap((name) =>
        [
          ["value", name],
          ["told_by", `${name}_told_by`],
          ["from_day", `${name}_since`],
        ].map(
          ([column, as]) => `max(CASE WHEN attribute = '${name}' AND until_day IS NULL THEN ${column} END) AS ${as}`,
        ),
      )
      .join(",\n    ")},
    CAST(count(DISTINCT CASE WHEN attribute = 'name' THEN value END) AS bigint) AS names,
    CAST(count(DISTINCT CASE WHEN attribute = 'category' THEN value END) AS bigint) AS categories
  FROM product_history
  GROUP BY source, product_id
)
SELECT
  e.source, e.product_id,
  ${toldAttributes.flatMap((name) => [name, `${name}_told_by`, `${name}_since`].map((column) => `s.${column}`)).join(", ")},
  coalesce(s.names, 0) AS names, coalesce(s.categories, 0) AS categories, d.listed_by,
  l.first_day, l.last_day, coalesce(l.told, 0) AS told, coalesce(l.ordered, 0) AS ordered
FROM every_product AS e
LEFT JOIN standing AS s ON s.source = e.source AND s.product_id = e.product_id
LEFT JOIN learned AS l ON l.source = e.source AND l.product_id = e.product_id
LEFT JOIN listed AS d ON d.source = e.source AND d.product_id = e.product_id`,
  tests: {
    "one row a product": "SELECT product_id FROM product_catalogue GROUP BY source, product_id HAVING count(*) > 1",
    "what stands has who told it, and since when": `
      SELECT product_id FROM product_catalogue
      WHERE (name IS NULL) <> (names = 0) OR (name IS NULL) <> (name_told_by IS NULL) OR (name IS NULL) <> (name_since IS NULL)
        OR (category IS NULL) <> (category_told_by IS NULL) OR first_day > last_day`,
  },
};
