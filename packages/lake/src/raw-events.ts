/** The table `raw_events`: one row an event as it arrived, immutable, partitioned by arrival. */
import { StreamEvent } from "@ebb/core/stream-event";
import { type Column, columnsOf, duckdbType, glueType } from "./columns.ts";

export const rawEventsColumns: readonly Column[] = columnsOf(StreamEvent);

/** Partitions are folders `dt=YYYY-MM-DD/hour=HH` of the arrival, UTC. */
export const rawEventsPartitionKeys = [
  { name: "dt", type: "string", comment: "UTC day of arrival, YYYY-MM-DD" },
  { name: "hour", type: "string", comment: "UTC hour of arrival, 00 to 23" },
] as const;

/** The columns for the Glue catalogue, without the partition keys. */
export const rawEventsGlueColumns = (): { name: string; type: string; comment: string }[] =>
  rawEventsColumns.map((column) => ({
    name: column.name,
    type: glueType(column),
    // Glue takes at most 255 characters of printable text in a comment.
    comment: column.description.slice(0, 255),
  }));

/** The folder of events that arrived at an instant, relative to the lake. */
export const partitionOf = (arrivalMs: number): string => {
  const iso = new Date(arrivalMs).toISOString();
  return `raw_events/dt=${iso.slice(0, 10)}/hour=${iso.slice(11, 13)}`;
};

/** DuckDB's `columns` argument of `read_json`: nothing is inferred from the data. */
export const duckdbJsonColumns = (): string =>
  `{${rawEventsColumns.map((column) => `"${column.name}": '${duckdbType(column)}'`).join(", ")}}`;

/** One `NULL` a column, typed: the table before the first event, and what files of an older schema lack. */
export const duckdbEmptyTable = (): string =>
  `SELECT ${[
    ...rawEventsColumns.map((column) => `NULL::${duckdbType(column)} AS "${column.name}"`),
    ...rawEventsPartitionKeys.map(({ name }) => `NULL::VARCHAR AS "${name}"`),
  ].join(", ")} WHERE false`;

const literal = (value: string | number): string => (typeof value === "number" ? String(value) : `'${value}'`);

/** What breaks the definition of one column, as SQL that is true for a value which must not land. */
const faultOf = (column: Column, prefix: string): string[] => {
  const name = `${prefix}"${column.name}"`;
  const { values, maxLength, min } = column.accepts;
  return [
    ...(column.nullable ? [] : [`${name} IS NULL`]),
    ...(values === undefined ? [] : [`${name} NOT IN (${values.map(literal).join(", ")})`]),
    ...(maxLength === undefined ? [] : [`length(${name}) > ${maxLength}`]),
    ...(min === undefined ? [] : [`${name} < ${min}`]),
    ...(typeof column.type === "string"
      ? []
      : [
          `len(list_filter(${name}, lambda item: ${orFalse(column.type.listOf.flatMap((c) => faultOf(c, "item.")))})) > 0`,
        ]),
  ];
};
const orFalse = (conditions: readonly string[]): string =>
  conditions.map((condition) => `coalesce(${condition}, false)`).join(" OR ");

/** True for a converted row that the definition would have refused. DuckDB's dialect. */
export const duckdbFaultCondition = (): string => orFalse(rawEventsColumns.flatMap((column) => faultOf(column, "")));

/** A column as it is remembered in `raw-events.snapshot.json`. */
export interface StoredColumn {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
}
export const storedColumns = (columns: readonly Column[]): StoredColumn[] =>
  columns.map((column) => ({ name: column.name, type: glueType(column), nullable: column.nullable }));

/** The fields of a Glue struct list, or undefined for any other type. */
const fieldsOf = (type: string): Map<string, string> | undefined => {
  const body = /^array<struct<(.*)>>$/.exec(type)?.[1];
  if (body === undefined) return undefined;
  // Our structs hold scalars only; the comma inside decimal(18,6) is not a separator.
  return new Map(body.split(/,(?![^(]*\))/).map((field) => field.split(":", 2) as [string, string]));
};

const sameOrWider = (before: string, after: string): boolean => {
  if (before === after) return true;
  const [old, now] = [fieldsOf(before), fieldsOf(after)];
  return old !== undefined && now !== undefined && [...old].every(([name, type]) => now.get(name) === type);
};

/**
 * What in `after` would break files written with `before`: a column gone, a type changed, a column added that must not
 * be NULL (old files have no value for it), or one that became so. New nullable columns and fields are fine.
 */
export const breakingChanges = (before: readonly StoredColumn[], after: readonly StoredColumn[]): string[] => {
  const now = new Map(after.map((column) => [column.name, column]));
  const old = new Map(before.map((column) => [column.name, column]));
  return [
    ...before.flatMap((column) => {
      const next = now.get(column.name);
      if (next === undefined) return [`${column.name} is gone`];
      if (!sameOrWider(column.type, next.type)) return [`${column.name} was ${column.type} and is now ${next.type}`];
      return column.nullable && !next.nullable ? [`${column.name} must not be NULL any more`] : [];
    }),
    ...after
      .filter((column) => !old.has(column.name) && !column.nullable)
      .map((column) => `${column.name} is new and must not be NULL, but old files have none`),
  ];
};
