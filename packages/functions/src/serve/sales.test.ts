import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { orderFacts } from "@ebb/lake/batch/order-facts";
import { rfmBase } from "@ebb/lake/batch/rfm";
import { productSalesDaily, salesDaily } from "@ebb/lake/batch/sales-marts";
import type { HttpHandler } from "../runtime/http.ts";
import { type MartLake, ask, filled, martLake, refuses, succeeded } from "../../../../test/support/mart-lake.ts";
import { MOST_ROWS } from "./marts/mart-memory.ts";
import { make } from "./sales.ts";

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2025, 10, 20);
const AS_OF = "2026-02-20";

/** 400 orders and refunds over three months, of 37 customers and some nobody knows, from 3 countries and none. */
const facts = Array.from({ length: 400 }, (_, at) => {
  const refund = at % 9 === 4;
  const amount = 100 + ((at * 7919) % 5_000);
  return {
    entry: refund ? "refund" : "order",
    event_id: `evt_${at}`,
    stated_at: new Date(START_MS).toISOString().slice(0, 19),
    source: "shop",
    customer_key: at % 13 === 0 ? null : `cus_${(at * 31) % 37}`,
    occurred_at: new Date(START_MS + ((at * 104_729) % (90 * 24 * 60)) * 60_000).toISOString().slice(0, 19),
    counts: !refund && at % 11 !== 3,
    country: ["DE", "Côte d'Ivoire", "GB", null][at % 4]!,
    currency: "EUR",
    gross_minor: refund ? 0 : amount,
    refund_minor: refund ? amount : 0,
    units: refund ? -1 : 1 + (at % 3),
  };
});

/** One name under two ids, one product without a name. */
const productDays = Array.from({ length: 200 }, (_, at) => ({
  day: new Date(START_MS + (at % 80) * DAY_MS).toISOString().slice(0, 10),
  product_id: `P${at % 7}`,
  sku: "",
  name: at % 7 === 6 ? "" : `Name ${(at % 7) >> 1}`,
  category: at % 2 === 0 ? "even" : "odd",
  country: at % 3 === 0 ? "DE" : "GB",
  lines: 1 + (at % 4),
  units: 2,
  net_minor: (at * 37) % 1_000,
  month: new Date(START_MS + (at % 80) * DAY_MS).toISOString().slice(0, 7),
}));

let lake: MartLake;
let handler: HttpHandler;
before(async () => {
  lake = await martLake(AS_OF, [
    filled(orderFacts, facts),
    rfmBase,
    salesDaily,
    filled(productSalesDaily, productDays),
  ]);
});
after(() => lake.close());

const day = (instant: string): string => instant.slice(0, 10);
const periodOf = (interval: string, from: string | undefined, of: string): string => {
  if (interval === "day") return of;
  if (interval === "month") return `${of.slice(0, 7)}-01`;
  if (interval === "total") return from ?? "1970-01-01";
  const at = new Date(`${of}T00:00:00Z`);
  return new Date(at.getTime() - ((at.getUTCDay() + 6) % 7) * DAY_MS).toISOString().slice(0, 10);
};

interface Question {
  readonly interval: string;
  readonly by?: string;
  readonly from?: string;
  readonly to?: string;
  readonly country?: string;
}

/** The same figures by loops over the facts. */
const slowly = ({ interval, by, from, to, country }: Question) => {
  const firstDay = new Map<string, string>();
  for (const { customer_key: key, counts, occurred_at: at } of facts)
    if (key !== null && counts && (firstDay.get(key) ?? "9") > at) firstDay.set(key, at);
  const groups = Map.groupBy(
    facts.filter(
      (fact) =>
        (from === undefined || day(fact.occurred_at) >= from) &&
        (to === undefined || day(fact.occurred_at) < to) &&
        (country === undefined || (fact.country ?? "") === country),
    ),
    (fact) =>
      JSON.stringify([periodOf(interval, from, day(fact.occurred_at)), by === undefined ? "" : (fact.country ?? "")]),
  );
  return Array.from(groups, ([name, rows]) => {
    const [period, group] = JSON.parse(name) as [string, string];
    const sum = (of: (row: (typeof facts)[number]) => number): number =>
      rows.reduce((total, row) => total + of(row), 0);
    const known = rows.filter((row) => row.customer_key !== null);
    const buyers = new Set(known.filter((row) => row.counts).map((row) => row.customer_key!));
    const fresh = [...buyers].filter((key) =>
      interval === "total"
        ? from === undefined || day(firstDay.get(key)!) >= from
        : periodOf(interval, from, day(firstDay.get(key)!)) === period,
    );
    const orders = rows.filter((row) => row.counts).length;
    const net = sum((row) => row.gross_minor - row.refund_minor);
    return {
      period,
      ...(by === undefined ? {} : { group }),
      orders,
      units: sum((row) => row.units),
      gross_minor: sum((row) => row.gross_minor),
      refunds_minor: sum((row) => row.refund_minor),
      net_minor: net,
      ...(orders === 0 ? {} : { average_order_minor: Math.round(net / orders) }),
      active_customers: new Set(known.map((row) => row.customer_key)).size,
      new_customers: fresh.length,
      returning_customers: buyers.size - fresh.length,
    };
  }).sort((a, b) =>
    a.period === b.period ? ((a.group ?? "") < (b.group ?? "") ? -1 : 1) : a.period < b.period ? -1 : 1,
  );
};

const ways = { "in memory": MOST_ROWS, "by SQL": 0 };
for (const [way, mostRows] of Object.entries(ways))
  describe(`GET /v1/sales, ${way}`, () => {
    before(() => {
      handler = make(lake.ports, mostRows);
    });

    for (const interval of ["day", "week", "month", "total"])
      for (const more of [
        {},
        { from: "2025-12-03", to: "2026-01-17" },
        { by: "country", from: "2025-12-10" },
        { country: "Côte d'Ivoire", to: "2026-02-01" },
      ])
        test(`by ${interval} ${JSON.stringify(more)} says what a loop over the orders says`, async () => {
          const question: Question = { interval, ...more };
          const { status, body } = await ask(handler, "/v1/sales", { ...question });
          assert.equal(status, 200);
          const expected = slowly(question);
          assert.ok(expected.length > 0);
          assert.deepEqual(body["rows"], expected);
          assert.deepEqual([body["interval"], body["run_id"], body["currency"]], [interval, AS_OF, "EUR"]);
          assert.equal(body["as_of"], `${AS_OF}T00:00:00.000Z`);
        });

    for (const [by, groupOf] of [
      ["category", (row: (typeof productDays)[number]) => row.category],
      ["product", (row: (typeof productDays)[number]) => (row.name === "" ? row.product_id : row.name)],
    ] as const)
      test(`by ${by} adds up the lines of its products, one name under several ids being one`, async () => {
        const { body } = await ask(handler, "/v1/sales", { interval: "month", by, country: "DE" });
        const groups = Map.groupBy(
          productDays.filter((row) => row.country === "DE"),
          (row) => `${row.month}-01|${groupOf(row)}`,
        );
        const expected = Array.from(groups, ([name, rows]) => ({
          period: name.split("|")[0],
          group: name.split("|")[1],
          lines: rows.reduce((sum, row) => sum + row.lines, 0),
          units: rows.length * 2,
          net_minor: rows.reduce((sum, row) => sum + row.net_minor, 0),
        })).sort((a, b) => (`${a.period}|${a.group}` < `${b.period}|${b.group}` ? -1 : 1));
        assert.deepEqual(body["rows"], expected);
      });

    test("a country that sold nothing has no rows, and a quote in its name is a quote", async () => {
      const { status, body } = await ask(handler, "/v1/sales", { country: "O'Nowhere'; SELECT 1 --" });
      assert.deepEqual([status, body["rows"]], [200, []]);
    });

    test("what cannot be served is told with what can", async () => {
      await refuses(handler, "/v1/sales", { interval: "hour" }, /day, week, month, total/);
      await refuses(handler, "/v1/sales", { by: "colour" }, /country, category, product/);
      await refuses(handler, "/v1/sales", { from: "2025-02-30" }, /is a day, YYYY-MM-DD/);
      await refuses(handler, "/v1/sales", { from: "2025-02-02", to: "2025-02-02" }, /after from/);
      await refuses(handler, "/v1/sales", { region: "EU" }, /There are interval, by, from, to, country/);
    });

    test("an answer that a client or somebody on the way has kept is not sent again, until the next run", async () => {
      const first = await ask(handler, "/v1/sales", { interval: "total" });
      assert.equal(first.headers["cache-control"], "private, no-cache");
      const etag = first.headers["etag"]!;
      const weak = { headers: { "if-none-match": `"another", W/${etag}` } };
      const again = await ask(handler, "/v1/sales", { interval: "total" }, weak);
      assert.deepEqual([again.status, again.text, again.headers["etag"]], [304, "", etag]);
      assert.equal((await ask(handler, "/v1/sales", { interval: "day" }, weak)).status, 200);
      await lake.runs.put(succeeded(AS_OF, 7 + mostRows));
      assert.equal((await ask(handler, "/v1/sales", { interval: "total" }, weak)).status, 200);
    });
  });
