/** A shop of documents: what it holds at each moment is a plain map, the oracle of every load. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { type DynamoSource, parseSources } from "@ebb/functions/collect/sources";
import { sourceTables } from "@ebb/ports/embedded/source-manifest";

export interface ShopOrder {
  readonly id: string;
  readonly customer: string | undefined;
  readonly country: string | undefined;
  readonly placedMs: number;
  /** Cents. */
  readonly lines: readonly { readonly sku: string; readonly quantity: number; readonly cents: number }[];
  readonly status: string;
  readonly tags: readonly string[];
  readonly note?: string;
}

const START_MS = Date.UTC(2024, 0, 1);
export const orderOf = (index: number): ShopOrder => ({
  id: `o-${index}`,
  customer: index % 97 === 0 ? undefined : `c-${index % 1000}`,
  country: ["DE", "AT", undefined][index % 3],
  placedMs: START_MS + index * 61_007,
  lines: Array.from({ length: 1 + (index % 3) }, (_, at) => ({
    sku: `sku-${(index + at) % 50}`,
    quantity: 1 + at,
    cents: 100 + ((index * 7 + at) % 5_000),
  })),
  status: index % 50 === 0 ? "cancelled" : "paid",
  tags: index % 5 === 0 ? ["b", "a"] : [],
  ...(index % 11 === 0 ? { note: 'tab\tquote" \\N line\nend é' } : {}),
});

export const totalOf = ({ lines }: ShopOrder): number =>
  lines.reduce((sum, { quantity, cents }) => sum + quantity * cents, 0);
const money = (cents: number): string => (cents / 100).toFixed(2);

/** As the shop writes it: nested, with what no analyst is to see. */
export const itemOf = (order: ShopOrder): Record<string, AttributeValue> => ({
  order_id: { S: order.id },
  kind: { S: "order" },
  customer: {
    M: {
      ...(order.customer === undefined ? {} : { id: { S: order.customer } }),
      email: { S: `${order.customer ?? "nobody"}@example.com` },
      address: { M: order.country === undefined ? {} : { country: { S: order.country } } },
    },
  },
  placed: {
    M: { at: { S: new Date(order.placedMs).toISOString() }, day: { N: String(Math.floor(order.placedMs / 1000)) } },
  },
  total: { N: String(Number(money(totalOf(order)))) },
  status: { S: order.status },
  ...(order.tags.length === 0 ? {} : { tags: { SS: [...order.tags] } }),
  ...(order.note === undefined ? { note: { NULL: true } } : { note: { S: order.note } }),
  items: {
    L: order.lines.map(({ sku, quantity, cents }) => ({
      M: {
        product: { M: { sku: { S: sku } } },
        qty: { N: String(quantity) },
        price: { N: String(Number(money(cents))) },
      },
    })),
  },
});

/** The declaration of that shop, by a scan unless `read` says otherwise. */
export const declaredShop = (
  table: string,
  changes: Readonly<Record<string, unknown>> = {},
  connection: Readonly<Record<string, unknown>> = { region: "us-east-1" },
): DynamoSource => {
  const [source] = parseSources({
    connections: { shop: { kind: "dynamodb", ...connection } },
    sources: [declarationOf(table, changes)],
  });
  if (source?.kind !== "dynamodb") throw new Error("the declaration is of no table");
  return source.spec;
};

export const declarationOf = (table: string, changes: Readonly<Record<string, unknown>> = {}) => ({
  name: "orders",
  connection: "shop",
  maps: "orders",
  table,
  key: ["order_id"],
  where: { kind: "order" },
  fields: {
    order_id: "order_id",
    customer_id: "customer.id",
    occurred_at: "placed.at",
    total: "total",
    status: "status",
    country: "customer.address.country",
  },
  keep: ["tags", "note", "placed.day"],
  personal: ["customer.email"],
  currency: "EUR",
  cancelled: ["cancelled"],
  lines: { list: "items", fields: { product_id: "product.sku", quantity: "qty", unit_price: "price" } },
  types: { total: "decimal(12,2)", "placed.day": "timestamp", "items.qty": "int", "items.price": "decimal(12,2)" },
  read: { scan: { units_per_second: 100_000, segments: 4 } },
  page: 1_000,
  ...changes,
});

export type CustomerKey = (id: string) => string;

/** Rows of `source_orders` and `source_orders_lines` that the lake has to have, as text, in order. */
export const expectedRows = (
  orders: Iterable<ShopOrder>,
  keyOf: CustomerKey,
): { orders: string[]; lines: string[] } => {
  const at = (ms: number): string =>
    new Date(ms)
      .toISOString()
      .replace("T", " ")
      .replace("Z", "")
      .replace(/\.?0+$/, "");
  const rows = [];
  const lines = [];
  for (const order of orders) {
    const seconds = new Date(Math.floor(order.placedMs / 1000) * 1000).toISOString().slice(0, 19).replace("T", " ");
    rows.push(
      JSON.stringify([
        order.id,
        order.customer === undefined ? null : keyOf(order.customer),
        order.placedMs % 1000 === 0 ? seconds : at(order.placedMs),
        money(totalOf(order)),
        order.status,
        order.country ?? null,
        order.tags.length === 0 ? null : JSON.stringify([...order.tags].sort()),
        order.note ?? null,
        seconds,
      ]),
    );
    for (const [place, line] of order.lines.entries())
      lines.push(JSON.stringify([order.id, String(place + 1), line.sku, String(line.quantity), money(line.cents)]));
  }
  return { orders: rows.sort(), lines: lines.sort() };
};

/** The same, as the lake has them. */
export const lakeRows = async (lakeFolder: string): Promise<{ orders: string[]; lines: string[] }> => {
  const instance = await DuckDBInstance.create(":memory:", { threads: "2", memory_limit: "1GB" });
  const connection = await instance.connect();
  const read = async (table: string): Promise<string[]> => {
    const stored = sourceTables(lakeFolder).find(({ name }) => name === table);
    if (stored === undefined) return [];
    const files = stored.files.map((one) => `'${path.join(lakeFolder, one)}'`).join(", ");
    const columns = stored.columns.map(({ name }) => `CAST("${name}" AS VARCHAR)`).join(", ");
    const { rows } = {
      rows: (await connection.runAndReadAll(`SELECT ${columns} FROM read_parquet([${files}])`)).getRows(),
    };
    return rows.map((row) => JSON.stringify(row)).sort();
  };
  try {
    return { orders: await read("source_orders"), lines: await read("source_orders_lines") };
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
};

/** Whether any byte of the lake's tables holds a text: what is personal must not be there. */
export const lakeHolds = (lakeFolder: string, text: string): boolean =>
  sourceTables(lakeFolder).some(({ files }) =>
    files.some((file) => readFileSync(path.join(lakeFolder, file)).includes(text)),
  );
