/** Trino's REST protocol: a statement is posted, its rows come in pages that name the next. */
import { type Rows, type Shape, plainOf } from "./engine.ts";

interface TypeSignature {
  readonly rawType: string;
  readonly arguments: readonly { readonly kind: string; readonly value: unknown }[];
}
interface Page {
  readonly nextUri?: string;
  readonly columns?: readonly { readonly name: string; readonly typeSignature: TypeSignature }[];
  readonly data?: readonly (readonly unknown[])[];
  readonly error?: { readonly message: string; readonly errorName: string };
}

const scalars: Readonly<Record<string, Shape>> = {
  tinyint: "integer",
  smallint: "integer",
  integer: "integer",
  bigint: "integer",
  real: "double",
  double: "double",
  decimal: "decimal",
  varchar: "text",
  char: "text",
  boolean: "boolean",
  date: "date",
  timestamp: "timestamp",
};

const shapeOf = (type: TypeSignature): Shape => {
  if (type.rawType === "array") return { list: shapeOf(type.arguments[0]!.value as TypeSignature) };
  if (type.rawType === "row")
    return {
      struct: type.arguments.map(({ value }) => {
        const field = value as { fieldName: { name: string }; typeSignature: TypeSignature };
        return { name: field.fieldName.name, shape: shapeOf(field.typeSignature) };
      }),
    };
  const shape = scalars[type.rawType];
  if (shape === undefined) throw new TypeError(`Trino gave a column of type ${type.rawType}`);
  return shape;
};

// An integer past 2^53 would lose digits as a number.
const parse = (text: string): Page =>
  JSON.parse(text, (_key, value: unknown, context?: { source?: string }) =>
    typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) ? context!.source : value,
  ) as Page;

export interface TrinoClient {
  /** @throws Error with Trino's message */
  rows(sql: string): Promise<Rows>;
}

export const trinoClient = (address: string): TrinoClient => {
  const headers = {
    "X-Trino-User": "ebb",
    "X-Trino-Catalog": "memory",
    "X-Trino-Schema": "default",
    "X-Trino-Time-Zone": "UTC",
  };
  const fetched = async (url: string, init?: RequestInit): Promise<Page> => {
    const response = await fetch(url, { ...init, headers });
    const text = await response.text();
    if (!response.ok) throw new Error(`Trino answered ${response.status}: ${text.slice(0, 500)}`);
    return parse(text);
  };
  return {
    async rows(sql) {
      let page = await fetched(`${address}/v1/statement`, { method: "POST", body: sql });
      let columns: Rows["columns"] = [];
      const rows: Rows["rows"][number][] = [];
      for (;;) {
        if (page.error !== undefined) throw new Error(`${page.error.errorName}: ${page.error.message}`);
        if (columns.length === 0)
          columns = (page.columns ?? []).map(({ name, typeSignature }) => ({ name, shape: shapeOf(typeSignature) }));
        for (const row of page.data ?? []) rows.push(row.map((value, index) => plainOf(columns[index]!.shape, value)));
        if (page.nextUri === undefined) return { columns, rows };
        page = await fetched(page.nextUri);
      }
    },
  };
};
