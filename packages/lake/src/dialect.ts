/**
 * What the three engines disagree on, as macros. Everything else in the views is the portable core: CTEs, joins,
 * GROUP BY, CASE, COALESCE, row_number with a total order, CAST. Athena's engine is Trino.
 */
export interface Dialect {
  readonly name: "duckdb" | "trino" | "spark";
  /** Milliseconds from 1970-01-01 UTC to a timestamp, exact, bigint. */
  epochMs(timestamp: string): string;
  /**
   * The rows of a list of structs. `select` lists the fields under their own names and `line_number` (from 1) among the
   * columns of a SELECT; `from` follows the table in its FROM. Rows with an empty list or NULL disappear.
   */
  explode(list: string, fields: readonly string[]): { readonly select: string; readonly from: string };
}

export const duckdb: Dialect = {
  name: "duckdb",
  epochMs: (timestamp) => `epoch_ms(${timestamp})`,
  explode: (list, fields) => ({
    select: [...fields.map((field) => `item.${field}`), "item_number AS line_number"].join(", "),
    from: `, LATERAL (SELECT unnest(${list}) AS item, generate_subscripts(${list}, 1) AS item_number)`,
  }),
};

export const trino: Dialect = {
  name: "trino",
  // to_unixtime would go through a double.
  epochMs: (timestamp) => `date_diff('millisecond', TIMESTAMP '1970-01-01 00:00:00', ${timestamp})`,
  // A list of rows unnests to one column a field, in the order of the type.
  explode: (list, fields) => ({
    select: [...fields.map((field) => `item.${field}`), "item.line_number"].join(", "),
    from: `CROSS JOIN UNNEST(${list}) WITH ORDINALITY AS item (${fields.join(", ")}, line_number)`,
  }),
};

export const spark: Dialect = {
  name: "spark",
  epochMs: (timestamp) => `unix_millis(${timestamp})`,
  explode: (list, fields) => ({
    select: [...fields.map((field) => `item.${field}`), "item_index + 1 AS line_number"].join(", "),
    from: `LATERAL VIEW posexplode(${list}) exploded AS item_index, item`,
  }),
};
