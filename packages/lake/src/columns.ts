/**
 * Columns of the lake, read off a Zod definition: one definition an event, and from it DuckDB's types, Glue's types,
 * the conversion's check and the table in the docs.
 */
import { z } from "zod";

/** Types that DuckDB, Athena (Trino) and Spark store alike. A timestamp is UTC without a zone. */
export const scalarTypes = ["string", "int", "bigint", "double", "boolean", "timestamp", "decimal(18,6)"] as const;
export type ScalarType = (typeof scalarTypes)[number];

export interface Column {
  readonly name: string;
  /** A scalar, or the columns of the rows of a list. */
  readonly type: ScalarType | { readonly listOf: readonly Column[] };
  readonly nullable: boolean;
  readonly description: string;
  /** What the definition asks of a value besides its type; the converted rows are checked against it. */
  readonly accepts: {
    readonly values?: readonly (string | number)[];
    readonly maxLength?: number;
    readonly min?: number;
  };
}

const isScalar = (type: unknown): type is ScalarType => (scalarTypes as readonly unknown[]).includes(type);

/** The definition without `optional`, and whether it was optional. */
const unwrap = (field: z.ZodType): { inner: z.ZodType; optional: boolean } =>
  field instanceof z.ZodOptional
    ? { inner: field.unwrap() as z.ZodType, optional: true }
    : { inner: field, optional: false };

const columnOf = (name: string, field: z.ZodType): Column => {
  const { inner, optional } = unwrap(field);
  const meta = { ...inner.meta(), ...field.meta() };
  const described = { name, nullable: optional, description: meta.description ?? "" };
  if (inner instanceof z.ZodArray && inner.element instanceof z.ZodObject)
    return { ...described, type: { listOf: columnsOf(inner.element) }, accepts: {} };

  const natural = inner instanceof z.ZodBoolean ? "boolean" : inner instanceof z.ZodNumber ? undefined : "string";
  const type = meta["column"] ?? natural;
  if (!isScalar(type))
    throw new TypeError(`${name}: a number needs meta({ column }) with one of ${scalarTypes.join(", ")}`);
  const values =
    inner instanceof z.ZodEnum ? inner.options : inner instanceof z.ZodLiteral ? [...inner.values] : undefined;
  const maxLength = inner instanceof z.ZodString ? inner.maxLength : null;
  const min = inner instanceof z.ZodNumber && inner.minValue === 0 ? 0 : undefined;
  return {
    ...described,
    type,
    accepts: {
      ...(values !== undefined && { values: values as (string | number)[] }),
      ...(maxLength !== null && { maxLength }),
      ...(min !== undefined && { min }),
    },
  };
};

/** The columns of an object definition, in its order. @throws TypeError for a field that has no column type. */
export const columnsOf = (definition: z.ZodObject): readonly Column[] =>
  Object.entries(definition.shape).map(([name, field]) => columnOf(name, field as z.ZodType));

const duckdbNames: Record<ScalarType, string> = {
  string: "VARCHAR",
  int: "INTEGER",
  bigint: "BIGINT",
  double: "DOUBLE",
  boolean: "BOOLEAN",
  timestamp: "TIMESTAMP",
  "decimal(18,6)": "DECIMAL(18,6)",
};

/** The column's type in DuckDB's words. */
export const duckdbType = ({ type }: Pick<Column, "type">): string =>
  typeof type === "string"
    ? duckdbNames[type]
    : `STRUCT(${type.listOf.map((column) => `"${column.name}" ${duckdbType(column)}`).join(", ")})[]`;

/** The column's type in the words of the Glue catalogue (Hive), which Athena and Spark read. */
export const glueType = ({ type }: Pick<Column, "type">): string =>
  typeof type === "string"
    ? type
    : `array<struct<${type.listOf.map((column) => `${column.name}:${glueType(column)}`).join(",")}>>`;
