/** Rows of a source in the words of the wire: orders with their lines, refunds. */
import type { Cell, Row } from "@ebb/ports/source-ports";
import type { OrderSaid } from "./order-events.ts";
import { type CellOf, cellReader } from "./rows.ts";

type Roles = Readonly<Record<string, string>>;

/** Properties of Segment's order, by role. */
const orderProperties = {
  total: "total",
  coupon: "coupon",
  country: "country",
  discount: "discount",
  shipping: "shipping",
  tax: "tax",
} as const;
const lineProperties = {
  product_id: "product_id",
  sku: "sku",
  name: "name",
  category: "category",
  brand: "brand",
  variant: "variant",
  quantity: "quantity",
  unit_price: "price",
} as const;

const propertiesOf = (readers: readonly (readonly [string, CellOf])[], row: Row): Record<string, string> => {
  const properties: Record<string, string> = {};
  for (const [name, cell] of readers) {
    const value = cell(row);
    if (value !== null && value !== "") properties[name] = value;
  }
  return properties;
};

const readersOf = (
  names: Readonly<Record<string, string>>,
  roles: Roles,
  read: readonly string[],
): (readonly [string, CellOf])[] =>
  Object.entries(names).flatMap(([role, name]) =>
    roles[role] === undefined ? [] : [[name, cellReader(read, roles[role])] as const],
  );

/** Lines of orders by the order's key. */
export interface SaidLine {
  readonly id: string;
  readonly product: Readonly<Record<string, string>>;
}

export const lineSaying = (roles: Roles, read: readonly string[], key: readonly string[]): ((row: Row) => SaidLine) => {
  const readers = readersOf(lineProperties, roles, read);
  const ids = key.map((field) => cellReader(read, field));
  return (row) => ({
    id: ids
      .map((cell) => cell(row) ?? "")
      .join("/")
      .slice(0, 64),
    product: propertiesOf(readers, row),
  });
};

export const orderSaying = (
  spec: { readonly fields: Roles; readonly currency?: string | undefined; readonly cancelled: readonly string[] },
  read: readonly string[],
  deleted: CellOf,
): ((row: Row, lines: readonly SaidLine[] | undefined) => OrderSaid) => {
  const { fields } = spec;
  const readers = readersOf(orderProperties, fields, read);
  const [orderId, customerId, occurredAt, status, currency] = [
    "order_id",
    "customer_id",
    "occurred_at",
    "status",
    "currency",
  ].map((role) => cellReader(read, fields[role])) as [CellOf, CellOf, CellOf, CellOf, CellOf];
  return (row, lines) => {
    const id = orderId(row) ?? "";
    const properties: Record<string, unknown> = {
      order_id: id,
      ...propertiesOf(readers, row),
      ...currencyOf(currency(row), spec.currency),
      ...(lines === undefined || lines.length === 0 ? {} : { products: lines.map(({ product }) => product) }),
    };
    const isCancelled = deleted(row) !== null || spec.cancelled.includes(status(row) ?? "\u0000");
    return {
      orderId: id,
      customerId: customerId(row) || undefined,
      properties,
      occurredAt: occurredAt(row),
      state: isCancelled ? "cancelled" : "placed",
      ...(lines === undefined ? {} : { lineIds: lines.map((line) => line.id) }),
    };
  };
};

export const refundSaying = (
  spec: { readonly fields: Roles; readonly currency?: string | undefined },
  read: readonly string[],
  deleted: CellOf,
): ((row: Row) => OrderSaid) => {
  const [refundId, orderId, customerId, occurredAt, amount, currency] = [
    "refund_id",
    "order_id",
    "customer_id",
    "occurred_at",
    "amount",
    "currency",
  ].map((role) => cellReader(read, spec.fields[role])) as [CellOf, CellOf, CellOf, CellOf, CellOf, CellOf];
  return (row) => ({
    orderId: refundId(row) ?? "",
    customerId: customerId(row) || undefined,
    properties: {
      refund_id: refundId(row) ?? "",
      ...(orderId(row) === null ? {} : { order_id: orderId(row) }),
      total: deleted(row) === null ? (amount(row) ?? "").replace(/^-/, "") : "0",
      ...currencyOf(currency(row), spec.currency),
    },
    occurredAt: occurredAt(row),
    state: "refund",
  });
};

const currencyOf = (stated: Cell, declared: string | undefined): { currency?: string } => {
  const currency = stated === null || stated === "" ? declared : stated;
  return currency === undefined ? {} : { currency };
};
