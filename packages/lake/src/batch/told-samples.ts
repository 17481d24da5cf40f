/** For tests: tables of declared sources, of every type that a column of theirs has, in every dialect. */
import type { Dialect } from "../dialect.ts";
import type { ToldTable } from "./told-tables.ts";

const goods = {
  product_id: "bigint",
  name: "string",
  category: "string",
  price: "decimal(12,2)",
  currency: "string",
  updated_at: "timestamp",
} as const;
const stock = { product_id: "string", brand: "string", price: "double" } as const;
const people = {
  customer_key: "string",
  country: "string",
  tier: "string",
  points: "int",
  weight: "double",
  limit_eur: "decimal(20,4)",
  wants_letters: "boolean",
  born: "date",
  met_at: "timestamp",
  seen: "date",
} as const;

const rows: Readonly<Record<string, { readonly columns: Readonly<Record<string, string>>; readonly values: string }>> =
  {
    source_goods: {
      columns: goods,
      values: `
    (1, ' Tea ', 'Drinks', 4.5, 'eur', TIMESTAMP '2024-03-01 10:00:00.123'),
    (2, 'Pot', '', NULL, NULL, NULL),
    (3, NULL, NULL, 12.25, NULL, TIMESTAMP '2024-05-01 00:00:00.000'),
    (3, 'Cup', NULL, 12.5, NULL, TIMESTAMP '2024-05-02 00:00:00.000'),
    (NULL, 'nobody''s', NULL, 1.0, NULL, NULL)`,
    },
    source_stock: { columns: stock, values: "('p1', 'Ebb', 0.1), ('p-2', NULL, 1234567.5), ('p-3', 'Flow', NULL)" },
    source_people: {
      columns: people,
      values: `
    ('cus_20261122_1', 'DE', 'gold', 5, 1.5, 10.25, true, DATE '1990-02-03', TIMESTAMP '2024-01-02 23:59:59.999', DATE '2024-02-01'),
    ('cus_20261122_2', 'FR', NULL, NULL, NULL, NULL, false, NULL, NULL, DATE '2024-08-01'),
    ('cus_told_alone', NULL, ' ', -7, -0.25, -1.0, NULL, DATE '2000-12-31', NULL, NULL)`,
    },
  };

/** A SELECT of each table's rows, by its name. */
export const toldSelects = (m: Dialect): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(rows).map(([name, { columns, values }]) => {
      const typed = Object.entries(columns).map(([column, type]) => {
        const sqlType = type === "string" ? (m.name === "spark" ? "string" : "varchar") : type;
        return `CAST(${column} AS ${sqlType}) AS ${column}`;
      });
      return [name, `SELECT ${typed.join(", ")} FROM (VALUES ${values}) AS t (${Object.keys(columns).join(", ")})`];
    }),
  );

const loadedAtMs = Date.UTC(2024, 7, 20, 1, 2, 3, 456);
export const toldSamples: readonly ToldTable[] = [
  {
    table: "source_goods",
    maps: "products",
    source: "shop",
    columns: goods,
    toldAt: "updated_at",
    currency: "GBP",
    loadedAtMs,
  },
  { table: "source_stock", maps: "products", source: "shop", columns: stock, currency: "EUR", loadedAtMs },
  { table: "source_people", maps: "profiles", source: "shop", columns: people, toldAt: "seen", loadedAtMs },
];
