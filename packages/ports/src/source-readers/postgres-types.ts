/** PostgreSQL's types, the text in which each is read, and the column of the lake that holds it. */
import pg from "pg";
import { type SourceField, SourceProblem, type SourceType } from "../source-ports.ts";

const lakeTypes: Readonly<Record<string, SourceType>> = {
  smallint: "int",
  integer: "int",
  bigint: "bigint",
  oid: "bigint",
  real: "double",
  "double precision": "double",
  boolean: "boolean",
  date: "date",
};

/** What holds every value of a type exactly; text where nothing else does. */
export const lakeTypeOfPostgres = (type: string): SourceType => {
  const known = lakeTypes[type];
  if (known !== undefined) return known;
  if (/^timestamp(\(\d\))? (with|without) time zone$/.test(type)) return "timestamp";
  const numeric = /^numeric\((\d+)(?:,(-?\d+))?\)$/.exec(type);
  if (numeric === null) return "string"; // numeric without a precision too: it may have any number of decimals
  const [precision, scale] = [Number(numeric[1]), Number(numeric[2] ?? 0)];
  return precision <= 38 && scale >= 0 && scale <= precision ? `decimal(${precision},${scale})` : "string";
};

const NAMES = `SELECT i, format_type(oid, mod) AS type
  FROM unnest($1::oid[], $2::int[]) WITH ORDINALITY AS t(oid, mod, i) ORDER BY i`;

/** The fields as they are declared now, in the order asked for. @throws the client's error */
export const describePostgres = async (
  client: pg.Client,
  from: string,
  names: readonly string[],
  source: string,
): Promise<SourceField[]> => {
  const list = names.map((name) => pg.escapeIdentifier(name)).join(", ");
  const { fields } = await client.query(`SELECT ${list} FROM ${from} LIMIT 0`);
  const { rows } = await client.query<{ type: string }>(NAMES, [
    fields.map((field) => field.dataTypeID),
    fields.map((field) => field.dataTypeModifier),
  ]);
  return names.map((name, index) => {
    const type = rows[index]?.type;
    if (type === undefined)
      throw new SourceProblem("no_field", source, `the field ${name} has no type.`, { field: name });
    return { name, type, lake: lakeTypeOfPostgres(type) };
  });
};

/** The SELECT list that gives each field as the text that the lake's column is read from. */
export const selectText = (fields: readonly SourceField[], timezone: string | undefined): string =>
  fields.map((field) => expressionOf(field, pg.escapeIdentifier(field.name), timezone)).join(", ");

/** The expression that gives a field as the value whose text the lake's column is read from. */
export const expressionOf = ({ type, lake }: SourceField, name: string, timezone: string | undefined): string => {
  if (lake === "timestamp")
    return type.includes("without")
      ? timezone === undefined
        ? name
        : `(${name} AT TIME ZONE ${pg.escapeLiteral(timezone)}) AT TIME ZONE 'UTC'`
      : `${name} AT TIME ZONE 'UTC'`;
  if (type === "bytea") return `encode(${name}, 'hex')`;
  if (type === "boolean") return `${name}::text`;
  if (type.endsWith("[]")) return `to_jsonb(${name})::text`;
  return name;
};
