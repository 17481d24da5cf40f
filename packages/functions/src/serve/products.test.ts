import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { productSalesDaily } from "@ebb/lake/batch/sales-marts";
import type { HttpHandler } from "../runtime/http.ts";
import { type MartLake, ask, filled, martLake, refuses } from "../../../../test/support/mart-lake.ts";
import { MOST_ROWS } from "./marts/mart-memory.ts";
import { make } from "./products.ts";

const DAY_MS = 86_400_000;
const LAST_MS = Date.UTC(2026, 4, 31);
const DAYS = 200;
const PRODUCTS = 24;

const dayAt = (back: number): string => new Date(LAST_MS - back * DAY_MS).toISOString().slice(0, 10);

/** Each product sells about the same each day, but the first rises in the last four weeks and the second falls. */
const days = Array.from({ length: DAYS }, (_, back) =>
  Array.from({ length: PRODUCTS }, (_, product) => {
    const usual = 300 + product * 40 + ((back * 7 + product * 13) % 5) * 10;
    const net = product === 0 && back < 28 ? usual * 4 : product === 1 && back < 28 ? Math.round(usual / 5) : usual;
    return {
      day: dayAt(back),
      product_id: `P${product}`,
      sku: "",
      name: product === 5 ? "" : `=Name "${product === 7 ? 6 : product}"`, // 6 and 7 are one product by name
      category: product % 2 === 0 ? "even" : "odd",
      country: product % 3 === 0 ? "DE" : "GB",
      lines: 1,
      units: 1 + (product % 2),
      net_minor: net,
      month: dayAt(back).slice(0, 7),
    };
  }),
).flat();

let lake: MartLake;
let handler: HttpHandler;
before(async () => {
  lake = await martLake("2026-06-01", [filled(productSalesDaily, days)]);
});
after(() => lake.close());

const identity = (row: (typeof days)[number]): string => (row.name === "" ? row.product_id : row.name);
const sum = (rows: readonly (typeof days)[number][], of: (row: (typeof days)[number]) => number): number =>
  rows.reduce((total, row) => total + of(row), 0);
const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2;
};

const ways = { "in memory": MOST_ROWS, "by SQL": 0 };
for (const [way, mostRows] of Object.entries(ways))
  describe(`GET /v1/products, ${way}`, () => {
    before(() => {
      handler = make(lake.ports, mostRows);
    });

    for (const sort of ["net", "units"] as const)
      test(`bestsellers by ${sort} of a period, country and category are those of a loop over the days`, async () => {
        const question = { sort, from: dayAt(60), to: dayAt(10), country: "GB", category: "odd", limit: "5" };
        const { status, body } = await ask(handler, "/v1/products", question);
        assert.equal(status, 200);
        const groups = Map.groupBy(
          days.filter(
            (row) =>
              row.day >= question.from && row.day < question.to && row.country === "GB" && row.category === "odd",
          ),
          identity,
        );
        const expected = Array.from(groups.values(), (rows) => ({
          product_id: rows.map((row) => row.product_id).sort()[0]!,
          name: rows[0]!.name,
          category: "odd",
          orders: sum(rows, (row) => row.lines),
          units: sum(rows, (row) => row.units),
          net_minor: sum(rows, (row) => row.net_minor),
        }))
          .sort(
            (a, b) =>
              (sort === "net" ? b.net_minor - a.net_minor : b.units - a.units) ||
              (a.product_id < b.product_id ? -1 : 1),
          )
          .slice(0, 5);
        assert.deepEqual(body["products"], expected);
      });

    test("one name under two ids is one product, and one without a name goes by its id", async () => {
      const { body } = await ask(handler, "/v1/products", { limit: "500" });
      const products = body["products"] as { product_id: string; name: string }[];
      assert.equal(products.length, PRODUCTS - 1);
      assert.deepEqual(
        products
          .filter(({ product_id: id, name }) => id === "P7" || name === '=Name "6"')
          .map(({ product_id: id }) => id),
        ["P6"],
      );
      assert.ok(products.some(({ product_id: id, name }) => id === "P5" && name === ""));
    });

    for (const sort of ["rising", "falling"] as const)
      test(`what is ${sort} in the last four weeks is measured against the eight before, as documented`, async () => {
        const { body } = await ask(handler, "/v1/products", { sort, limit: "500" });
        const answered = body["products"] as { product_id: string; change: number; net_minor: number }[];
        const windows = Array.from(
          Map.groupBy(days, identity).values(),
          (rows) =>
            [
              rows.map((row) => row.product_id).sort()[0]!,
              // Seven windows of 28 days lie in 200 days beside the period itself, the oldest of them not whole.
              Array.from({ length: 8 }, (_, window) =>
                sum(
                  rows.filter((row) => Math.floor((LAST_MS - Date.parse(row.day)) / DAY_MS / 28) === window),
                  (row) => row.net_minor,
                ),
              ),
            ] as const,
        );
        const mean = windows.reduce((total, [, nets]) => total + nets[0]!, 0) / windows.length;
        const expected = windows
          .map(([id, [now, ...past]]) => {
            const middle = median(past);
            const deviation = 1.4826 * median(past.map((net) => Math.abs(net - middle)));
            return [id, (now! - middle) / Math.max(deviation, middle / 10, mean / 4, 1)] as const;
          })
          .filter(([, change]) => (sort === "rising" ? change > 0 : change < 0))
          .sort(([, a], [, b]) => (sort === "rising" ? b - a : a - b));
        assert.equal(answered[0]!.product_id, sort === "rising" ? "P0" : "P1");
        assert.deepEqual(
          answered.map(({ product_id: id, change }) => [id, change]).sort(),
          expected.map(([id, change]) => [id, Number(change.toFixed(3))]).sort(),
        );
      });

    test("a period with too little past has nothing that rises", async () => {
      const { body } = await ask(handler, "/v1/products", { sort: "rising", from: dayAt(199), to: dayAt(0) });
      assert.deepEqual(body["products"], []);
    });

    test("what cannot be served is told with what can", async () => {
      await refuses(handler, "/v1/products", { sort: "price" }, /net, units, rising, falling/);
      await refuses(handler, "/v1/products", { limit: "501" }, /1 to 500/);
      await refuses(handler, "/v1/products", { to: "yesterday" }, /is a day/);
      await refuses(handler, "/v1/products", { colour: "red" }, /There are sort, category, limit, from, to, country/);
    });
  });
