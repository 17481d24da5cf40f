import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { orderFacts } from "@ebb/lake/batch/order-facts";
import { rfmBase } from "@ebb/lake/batch/rfm";
import { productSalesDaily, salesDaily } from "@ebb/lake/batch/sales-marts";
import { type MartLake, ask, filled, martLake, succeeded } from "../../../../../test/support/mart-lake.ts";
import type { MartPorts } from "./mart-handler.ts";
import { make as makeProducts } from "../products.ts";
import { make as makeSales } from "../sales.ts";

const AS_OF = "2026-02-20";
const day = { day: "2026-02-01", month: "2026-02", sku: "", lines: 1, units: 1, net_minor: 500 };
const order = {
  ...{ entry: "order", event_id: "evt_1", stated_at: "2026-02-01T10:00:00", occurred_at: "2026-02-01T10:00:00" },
  ...{ source: "shop", customer_key: "cus_1", counts: true, country: "DE", currency: "EUR" },
  ...{ gross_minor: 500, refund_minor: 0, units: 1 },
};
const product = { ...day, product_id: "p", name: "Tea", category: "tea", country: "DE" };

let lake: MartLake;
let ports: MartPorts;
let statements = 0;
before(async () => {
  lake = await martLake(AS_OF, [
    filled(orderFacts, [order]),
    rfmBase,
    salesDaily,
    filled(productSalesDaily, [product]),
  ]);
  const { queries } = lake;
  const counted = {
    dialect: queries.dialect,
    version: () => queries.version(),
    query: (sql: string) => {
      statements++;
      return queries.query(sql);
    },
  };
  ports = { ...lake.ports, queries: counted };
});
after(() => lake.close());

const asked = async (work: () => Promise<unknown>): Promise<number> => {
  const earlier = statements;
  await work();
  return statements - earlier;
};

test("after the page was opened no question about a period waits for SQL", async () => {
  for (const [address, handler] of [
    ["/v1/sales", makeSales(ports)],
    ["/v1/products", makeProducts(ports)],
  ] as const) {
    assert.equal(await asked(() => handler.warm(false)), 1, address);
    assert.equal(await asked(() => handler.warm(false)), 0, "what is held is not read again");
    assert.equal(await asked(() => ask(handler, address, { from: "2026-01-01", to: "2026-03-01" })), 0, address);
  }
});

test("a run's end has read anew what somebody asked for, and nothing where nobody did", async () => {
  const [used, unused] = [makeProducts(ports), makeProducts(ports)];
  await ask(used, "/v1/products");
  await lake.runs.put(succeeded(AS_OF, 99));
  assert.equal(await asked(() => used.warm(true)), 1);
  assert.equal(await asked(() => unused.warm(true)), 0);
  const { body } = await ask(used, "/v1/products", { from: "2026-01-01", to: "2026-03-01" });
  assert.deepEqual(
    (body["products"] as { net_minor: number }[]).map((row) => row.net_minor),
    [500],
  );
});
