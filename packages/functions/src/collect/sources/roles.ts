/** What fields of a source can mean, by what the source maps to. A role is the lake's column name. */
import type { Cell, Row, SourceField, SourceTable, SourceType } from "@ebb/ports/source-ports";

export const sourceKinds = ["profiles", "orders", "order_lines", "products", "returns", "support_contacts"] as const;
export type SourceKind = (typeof sourceKinds)[number];

/** Role → whether it must be given. */
const roles = {
  profiles: { customer_id: true },
  orders: {
    order_id: true,
    customer_id: false,
    occurred_at: true,
    total: false,
    currency: false,
    status: false,
    country: false,
    coupon: false,
    discount: false,
    shipping: false,
    tax: false,
  },
  order_lines: {
    order_id: false,
    line_id: false,
    product_id: false,
    sku: false,
    name: false,
    category: false,
    brand: false,
    variant: false,
    quantity: false,
    unit_price: false,
  },
  products: { product_id: true, name: false, category: false, brand: false, price: false, currency: false },
  returns: { refund_id: true, order_id: false, customer_id: false, occurred_at: true, amount: true, currency: false },
  support_contacts: { contact_id: true, customer_id: false, occurred_at: true, channel: false, topic: false },
} as const satisfies Record<SourceKind, Record<string, boolean>>;

export const rolesOf = (kind: SourceKind): readonly string[] => Object.keys(roles[kind]);
export const isRole = (kind: SourceKind, role: string): boolean => Object.hasOwn(roles[kind], role);
export const requiredRoles = (kind: SourceKind): readonly string[] =>
  Object.entries(roles[kind]).flatMap(([role, required]) => (required ? [role] : []));

/** The lake's column of a role: who a customer is, is known there by a pseudonym alone. */
export const columnOfRole = (role: string): string => (role === "customer_id" ? "customer_key" : role);

/** The lake's column of a field that is kept under its own name; a path's dots become underscores. */
export const columnOfField = (field: string): string => field.replaceAll(/[^A-Za-z0-9_]/g, "_").toLowerCase();

export interface Mapping {
  /** Fields that are read, each once. */
  readonly read: readonly string[];
  /** Columns of the lake's table with the field that each is made from. */
  readonly columns: readonly { readonly name: string; readonly field: string; readonly isCustomer: boolean }[];
  readonly key: readonly string[];
  /** Every value is looked at before it is taken for one of its column's type. */
  readonly untyped?: boolean | undefined;
}

interface Mapped {
  readonly fields: Readonly<Record<string, string>>;
  readonly keep: readonly string[];
  readonly key: readonly string[];
  /** Fields that are read for another reason: watermark, deletion, traits. */
  readonly besides?: readonly string[];
  /** Fields that the table has whatever else is declared: its key, its watermark. */
  readonly always?: readonly string[];
  readonly untyped?: boolean | undefined;
}

export const mappingOf = ({ fields, keep, key, besides = [], always = [], untyped }: Mapped): Mapping => {
  const columns = Object.entries(fields).map(([role, field]) => ({
    name: columnOfRole(role),
    field,
    isCustomer: role === "customer_id",
  }));
  for (const field of [...key, ...always, ...keep])
    if (!columns.some((column) => column.field === field))
      columns.push({ name: columnOfField(field), field, isCustomer: false });
  const read = [...new Set([...columns.map(({ field }) => field), ...besides])];
  return { read, columns, untyped, key: key.map((field) => columns.find((column) => column.field === field)!.name) };
};

export const tableOf = (
  name: string,
  mapping: Mapping,
  fields: readonly SourceField[],
  marksDeleted: boolean,
): SourceTable => ({
  name,
  columns: mapping.columns.map(({ name: column, field, isCustomer }) => ({
    name: column,
    type: isCustomer ? "string" : typeOf(fields, field),
  })),
  key: mapping.key,
  marksDeleted,
});

const typeOf = (fields: readonly SourceField[], name: string): SourceType =>
  fields.find((field) => field.name === name)!.lake;

const CALENDAR = /^(\d{4})-(\d\d)-(\d\d)(?: (\d\d:\d\d:\d\d(?:\.\d{1,6})?)(?:[+-]\d\d(?::?\d\d)?)?)?$/;

/** Whether a time or a number is one that the lake's column can hold: no zero date, no infinity, no NaN. */
export const holds = (type: SourceType, text: string): boolean => {
  if (type === "timestamp" || type === "date") {
    const parts = CALENDAR.exec(text);
    if (parts === null) return false;
    const day = Number(parts[3]);
    if (parts[1] === "0000" || parts[2] === "00" || day === 0) return false;
    return day <= 28 || day <= new Date(Date.UTC(Number(parts[1]), Number(parts[2]), 0)).getUTCDate();
  }
  const first = text.charCodeAt(type.startsWith("decimal") && text.startsWith("-") ? 1 : 0);
  return !type.startsWith("decimal") || (first >= 48 && first <= 57);
};

const WHOLE = /^-?\d{1,19}$/;
const bounds = { int: 2n ** 31n, bigint: 2n ** 63n } as const;

/** Whether text that no database vouches for is a value of a type, every digit kept. */
export const isOfType = (type: SourceType, text: string): boolean => {
  if (type === "timestamp" || type === "date") return holds(type, text);
  if (type === "string") return true;
  if (type === "boolean") return text === "true" || text === "false";
  if (type === "double") return text.trim() !== "" && Number.isFinite(Number(text));
  if (type === "int" || type === "bigint")
    return WHOLE.test(text) && BigInt(text) < bounds[type] && BigInt(text) >= -bounds[type];
  const [precision, scale] = type.slice(8, -1).split(",").map(Number) as [number, number];
  const parts = /^-?0*(\d*)(?:\.(\d*?)0*)?$/.exec(text);
  if (parts === null || !/\d/.test(text)) return false;
  return parts[1]!.length <= precision - scale && (parts[2] ?? "").length <= scale;
};

export type Reader = (row: Row) => Cell;
