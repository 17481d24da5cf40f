/** The official browser SDKs in Chromium, pointed at the home by their host option alone, across origins. */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import type { Browser } from "playwright-core";
import { type ShopPage, launchChromium, openShop } from "./browser.ts";
import { type Fault, type FaultyProxy, faultyProxy } from "./faulty-proxy.ts";
import { type FrontDoor, openFrontDoor } from "./front-door.ts";

const order = {
  order_id: "W-1",
  revenue: "59.97",
  currency: "EUR",
  products: [{ product_id: "p1", name: "Kettle", price: 19.99, quantity: 3 }],
};

let browser: Browser;
let door: FrontDoor;
let shop: ShopPage | undefined;
let proxy: FaultyProxy | undefined;
before(async () => {
  door = await openFrontDoor();
  browser = await launchChromium();
});
after(async () => {
  await browser.close();
  await door.close();
});
beforeEach(() => door.fresh());
afterEach(async () => {
  await shop?.close();
  await proxy?.close();
  shop = proxy = undefined;
});

const withFaults = async (faults: readonly Fault[]): Promise<string> => {
  proxy = await faultyProxy(door.url, faults);
  return proxy.url;
};

/** What every SDK's page does: says who it is, is looked at, sells. `run` is the SDK's own way to make these calls. */
const visit = async (page: ShopPage): Promise<void> => {
  await page.page.evaluate(
    (properties) => (globalThis as unknown as { visit(order: object): unknown }).visit(properties),
    order,
  );
};

/** A page view, an identify and an order of one visitor, with what must hold of them whichever SDK sent them. */
const checkVisit = async (customer: string, sinceMs: number): Promise<void> => {
  const events = await door.arrived(3);
  const kinds = events.map((event) => event.kind).sort();
  assert.deepEqual(kinds, ["identify", "order_completed", "page"]);
  const completed = events.find((event) => event.kind === "order_completed")!;
  const viewed = events.find((event) => event.kind === "page")!;
  const identified = events.find((event) => event.kind === "identify")!;
  assert.equal(completed.customer_key, door.pseudonyms.customer(customer));
  assert.equal(completed.total_minor, 5997);
  assert.equal(completed.order_id, "W-1");
  assert.equal(viewed.page_path, "/kettles");
  assert.equal(viewed.device, "desktop");
  assert.equal((JSON.parse(viewed.campaign!) as { source: string }).source, "letter");
  assert.ok(identified.anonymous_key !== undefined);
  assert.equal(viewed.anonymous_key, identified.anonymous_key, "the visitor before and after it said who it is");
  for (const event of events) {
    const at = Date.parse(event.occurred_at);
    assert.ok(at >= sinceMs - 1_000 && at <= Date.now() + 1_000, event.occurred_at);
  }
  assert.doesNotMatch(JSON.stringify(events), /ann@|ann%40|Mozilla/);
  assert.equal((await door.profile(customer))?.traits["email"], "ann@example.com");
  const { received, accepted, duplicate, quarantined } = await door.counts(3);
  assert.deepEqual([accepted, quarantined, received], [3, 0, 3 + duplicate]);
  const known = await door.customer(customer);
  assert.deepEqual([known["orders"], known["net_minor"]], [1, 5997], "one order, however often it was sent");
  assert.deepEqual(shop!.strangers, [], "nothing is asked of a third host");
  assert.deepEqual(shop!.errors, []);
};

/** Waits until what failed was sent again: it came in once where it never arrived before, twice where it had. */
const checkRetry = async (fault: Fault): Promise<void> => {
  const repeated = fault === "unavailable" ? 0 : 2;
  const { received, duplicate } = await door.counts(3 + repeated);
  assert.deepEqual([received, duplicate], [3 + repeated, repeated]);
  assert.equal(proxy!.met.length, 5);
};

const segment = (host: string, extra = "") => `
  import { AnalyticsBrowser } from "@segment/analytics-next";
  const client = AnalyticsBrowser.load({ writeKey: ${JSON.stringify(door.writeKey)}, cdnURL: ${JSON.stringify(host)} }, { ${extra} });
  window.client = client;
  window.visit = async (order) => {
    await client.page("Kettles");
    await client.identify("w-1", { email: "ann@example.com" });
    await client.track("Order Completed", order);
  };`;

test("Segment's browser SDK finds the home by its settings and its events arrive", async () => {
  const since = Date.now();
  shop = await openShop(browser, segment(door.url), door.url);
  await visit(shop);
  await checkVisit("w-1", since);
});

test("Segment's browser SDK in batches: what is left when the page goes away arrives", async () => {
  const since = Date.now();
  const options = `integrations: { "Segment.io": { deliveryStrategy: { strategy: "batching", config: { size: 50, timeout: 60000 } } } }`;
  shop = await openShop(browser, segment(door.url, options), door.url);
  await visit(shop);
  assert.equal((await door.arrived(0)).length, 0);
  await shop.page.goto("about:blank");
  await checkVisit("w-1", since);
});

for (const fault of ["unavailable", "answer-lost", "connection-dropped"] as const)
  test(`Segment's browser SDK: a retry after ${fault} doubles nothing and loses nothing`, async () => {
    const since = Date.now();
    const host = await withFaults([fault, fault]);
    shop = await openShop(browser, segment(host), host);
    await visit(shop);
    await checkRetry(fault);
    await checkVisit("w-1", since);
  });

const rudder = (host: string, options = "{}") => `
  import { RudderAnalytics } from "@rudderstack/analytics-js/bundled";
  const client = new RudderAnalytics();
  client.load(${JSON.stringify(door.writeKey)}, ${JSON.stringify(host)}, { configUrl: ${JSON.stringify(host)}, ...${options} });
  window.visit = (order) => {
    client.page("Kettles");
    client.identify("w-2", { email: "ann@example.com" });
    client.track("Order Completed", order);
  };`;

test("RudderStack's browser SDK takes its configuration from the home and its events arrive", async () => {
  const since = Date.now();
  shop = await openShop(browser, rudder(door.url), door.url);
  await visit(shop);
  await checkVisit("w-2", since);
});

test("RudderStack's browser SDK by beacon: the key comes in the query, the batch as plain text", async () => {
  const since = Date.now();
  shop = await openShop(
    browser,
    rudder(door.url, `{ useBeacon: true, beaconQueueOptions: { flushQueueInterval: 200 } }`),
    door.url,
  );
  await visit(shop);
  await checkVisit("w-2", since);
});

for (const fault of ["unavailable", "answer-lost", "connection-dropped"] as const)
  test(`RudderStack's browser SDK: a retry after ${fault} doubles nothing and loses nothing`, async () => {
    const since = Date.now();
    const host = await withFaults([fault, fault]);
    shop = await openShop(browser, rudder(host), host);
    await visit(shop);
    await checkRetry(fault);
    await checkVisit("w-2", since);
  });

test("Jitsu's browser SDK: events arrive with time and identity", async () => {
  const since = Date.now();
  const script = `
    import { jitsuAnalytics } from "@jitsu/js";
    const client = jitsuAnalytics({ host: ${JSON.stringify(door.url)}, writeKey: ${JSON.stringify(`${door.writeKey}:any`)} });
    window.visit = async (order) => {
      await client.page();
      await client.identify("w-3", { email: "ann@example.com" });
      await client.track("Order Completed", order);
    };`;
  shop = await openShop(browser, script, door.url);
  await visit(shop);
  await checkVisit("w-3", since);
});
