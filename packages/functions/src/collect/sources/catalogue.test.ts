import assert from "node:assert/strict";
import test from "node:test";
import { parseSources } from "../sources.ts";
import { sourceSections } from "./catalogue.ts";

const connections = {
  shop: { kind: "postgres", host: "127.0.0.1", database: "shop", user: "reader" },
  drop: { kind: "objects", folder: "/drop" },
};
const orders = {
  ...{ name: "orders", connection: "shop", maps: "orders", table: "public.orders", key: ["id"], mode: "incremental" },
  ...{ watermark: { field: "updated_at" }, deletion: "keys", schedule: { every: "15m" }, currency: "EUR" },
  fields: { order_id: "id", customer_id: "buyer", occurred_at: "placed_at", total: "total" },
  keep: ["note_s"],
  personal: ["phone"],
  lines: { table: "public.lines", order: "order_no", key: ["no"], fields: { product_id: "sku" } },
};

test("every declared table stands in the catalogue with its columns, where they come from, and what is not kept", () => {
  const sources = parseSources({
    connections,
    sources: [orders, { name: "files", connection: "drop", prefix: "in/", schedule: { at: "02:30" } }],
  });
  const types = { order_id: "bigint", customer_key: "string", total: "decimal(12,2)" };
  const [table, lines, files] = sourceSections(sources, (name) => (name === "source_orders" ? types : undefined));
  assert.match(
    table!,
    /^## `source_orders`\n\nOne row per row of `public\.orders` \(connection `shop`\), as orders of the source `shop`\./,
  );
  assert.match(table!, /Loaded by `updated_at` every 15 minutes\. Amounts are in EUR/);
  assert.match(table!, /Personal, and not in the lake: `phone`\./);
  const rows = table!.split("\n").filter((line) => line.startsWith("| `"));
  assert.deepEqual(rows, [
    "| `order_id` | bigint | As `id` (key) |",
    "| `customer_key` | string | Pseudonym of `buyer` |",
    "| `occurred_at` |  | As `placed_at` |",
    "| `total` | decimal(12,2) | As `total` |",
    "| `updated_at` |  | As `updated_at` |",
    "| `note_s` |  | As `note_s` |",
  ]);
  assert.match(lines!, /^## `source_orders_lines`[^]*It was not filled yet\.[^]*\| `order_no` \|/);
  assert.match(files!, /^## Source `files`[^]*below `in\/`[^]*Loaded at 02:30 UTC/);
});
