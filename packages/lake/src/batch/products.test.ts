import assert from "node:assert/strict";
import test from "node:test";
import { StreamEvent } from "@ebb/core/stream-event";
import fc from "fast-check";
import { rowsOf } from "../testing.ts";
import { productCatalogue, productHistory, productPrices } from "./products-catalogue.ts";
import { productDays } from "./products.ts";
import { brokenPromises, curatedLakeOf, write, writeEmpty } from "./testing.ts";
import { catalogueValues } from "./told-tables.ts";

const tables = [productDays, productHistory, productPrices, productCatalogue];
interface Told {
  readonly day: number;
  readonly product: string;
  readonly name: string | undefined;
  readonly price: number | undefined;
  readonly ordered: boolean;
}

const told = fc.record({
  day: fc.integer({ min: 25, max: 45 }), // over the end of January
  product: fc.constantFrom("p1", "p2"),
  name: fc.option(fc.constantFrom("Tea", "Green tea"), { nil: undefined }),
  price: fc.option(fc.constantFrom(1, 2.5, 9.99), { nil: undefined }),
  ordered: fc.boolean(),
});

const eventOf = ({ day, product, name, price, ordered }: Told, index: number): StreamEvent =>
  StreamEvent.parse({
    ...{ event_id: `evt_${index}`, name: "Event", source: "shop", schema_version: 1, receipt_id: "rcp_1" },
    ...{ receipt_number: index, received_at: "2026-01-01T00:00:00.000Z", currency: "EUR" },
    occurred_at: new Date(Date.UTC(2024, 0, day) + index * 1_000).toISOString(),
    ...(ordered
      ? {
          kind: "order_completed",
          order_id: `o${index}`,
          lines: [
            {
              product_id: product,
              ...(name !== undefined && { name }),
              quantity: 1,
              unit_price: price ?? -1,
              total_minor: 100,
            },
            { product_id: product, name: "given back", quantity: -1, unit_price: 99, total_minor: -1 },
          ],
        }
      : {
          kind: "product_viewed",
          product_id: product,
          ...(name !== undefined && { product_name: name }),
          ...(price !== undefined && { unit_price: price }),
        }),
  });

/** Day by day, slowly: the price told most often, of several the lowest; then where it changes. */
const plainHistory = (all: readonly Told[], product: string): (readonly [price: number, fromDay: number])[] => {
  const history: (readonly [number, number])[] = [];
  for (let day = 0; day <= 60; day++) {
    const counts = new Map<number, number>();
    for (const one of all)
      if (one.product === product && one.day === day && one.price !== undefined)
        counts.set(one.price, (counts.get(one.price) ?? 0) + 1);
    const usual = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0]?.[0];
    if (usual !== undefined && usual !== history.at(-1)?.[0]) history.push([usual, day]);
  }
  return history;
};

test("prices, names and counts are those of a loop over the days", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(told, { minLength: 20, maxLength: 50 }), async (all) => {
      const lake = await curatedLakeOf(all.map(eventOf));
      await writeEmpty(lake, catalogueValues);
      for (const table of tables) {
        await write(lake, table, {});
        assert.deepEqual(await brokenPromises(lake, table), []);
      }
      for (const product of ["p1", "p2"]) {
        const prices = await rowsOf(
          lake,
          `SELECT price::DOUBLE AS price, date_diff('day', DATE '2023-12-31', from_day) AS day FROM product_prices
           WHERE product_id = '${product}' ORDER BY from_day`,
        );
        assert.deepEqual(
          prices.map((row) => [row["price"], row["day"]]),
          plainHistory(all, product),
        );
        const own = all.filter((one) => one.product === product);
        const named = own
          .filter(({ name }) => name !== undefined)
          .sort((a, b) => a.day - b.day || (a.name! < b.name! ? -1 : 1));
        const rows = await rowsOf(
          lake,
          `SELECT name, told, ordered FROM product_catalogue WHERE product_id = '${product}'`,
        );
        assert.deepEqual(
          rows,
          own.length === 0
            ? []
            : [
                {
                  name: named.at(-1)?.name ?? null,
                  told: own.length,
                  ordered: own.filter(({ ordered }) => ordered).length,
                },
              ],
        );
      }
      lake.closeSync();
    }),
    { seed: 20_261_122, numRuns: 10 },
  );
});
