/** The official server SDKs as clients, pointed at the home by their host option alone. */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { jitsuAnalytics } from "@jitsu/js";
import RudderAnalytics from "@rudderstack/rudder-sdk-node";
import { Analytics } from "@segment/analytics-node";
import { type Fault, type FaultyProxy, faultyProxy } from "./faulty-proxy.ts";
import { type FrontDoor, openFrontDoor } from "./front-door.ts";

const LONG_AGO = new Date("2019-05-04T03:02:01.987Z");
const order = {
  order_id: "A-1",
  revenue: 59.97,
  currency: "EUR",
  products: [
    { product_id: "p1", name: "Kettle", price: 19.99, quantity: 3 },
    { product_id: "p2", price: "0.00" },
  ],
};

let door: FrontDoor;
let proxy: FaultyProxy | undefined;
before(async () => {
  door = await openFrontDoor();
});
after(() => door.close());
beforeEach(() => door.fresh());
afterEach(async () => {
  await proxy?.close();
  proxy = undefined;
});
const withFaults = async (faults: readonly Fault[]): Promise<string> => {
  proxy = await faultyProxy(door.url, faults);
  return proxy.url;
};
const segment = (host: string) => new Analytics({ writeKey: door.writeKey, host, flushInterval: 50, maxRetries: 5 });
const rudder = (dataPlaneUrl: string) =>
  new RudderAnalytics(door.writeKey, {
    dataPlaneUrl,
    flushInterval: 50,
    logLevel: "none",
    errorHandler: () => undefined,
  });

test("Segment's Node SDK: every call arrives with its time and identity, and closeAndFlush waits for it", async () => {
  const client = segment(door.url);
  client.identify({ userId: "u-1", traits: { email: "ann@example.com", loyalty: "gold" }, timestamp: LONG_AGO });
  client.track({ userId: "u-1", event: "Order Completed", properties: order, timestamp: LONG_AGO, messageId: "m-1" });
  client.page({ anonymousId: "a-1", name: "Home", properties: { path: "/", url: "https://shop.example/?email=x" } });
  client.screen({ anonymousId: "a-1", name: "Start" });
  client.group({ userId: "u-1", groupId: "g-1", traits: { name: "ACME" } });
  client.alias({ previousId: "a-1", userId: "u-1" });
  client.track({ userId: "u-1", event: "Planted a Tree", properties: { plan: "oak", name: "Ann" } });
  const before = Date.now();
  await client.closeAndFlush();

  const events = await door.arrived(7);
  const byKind = new Map(events.map((event) => [event.kind, event]));
  assert.deepEqual([...byKind.keys()].sort(), [
    "alias",
    "group",
    "identify",
    "order_completed",
    "page",
    "screen",
    "track",
  ]);
  const completed = byKind.get("order_completed")!;
  assert.equal(completed.occurred_at, "2019-05-04T03:02:01.987Z");
  assert.equal(completed.customer_key, door.pseudonyms.customer("u-1"));
  assert.equal(completed.order_id, "A-1");
  assert.equal(completed.total_minor, 5997);
  assert.deepEqual(
    completed.lines?.map((line) => [line.product_id, line.quantity, line.total_minor]),
    [
      ["p1", 3, 5997],
      ["p2", 1, 0],
    ],
  );
  assert.equal(byKind.get("page")!.anonymous_key, door.pseudonyms.anonymous("a-1"));
  assert.ok(Math.abs(Date.parse(byKind.get("page")!.occurred_at) - before) < 60_000);
  assert.equal(byKind.get("track")!.name, "Planted a Tree");
  assert.deepEqual(JSON.parse(byKind.get("track")!.properties!), { plan: "oak" });
  assert.deepEqual(JSON.parse(byKind.get("identify")!.traits!), { loyalty: "gold" });
  assert.deepEqual((await door.profile("u-1"))?.traits, { email: "ann@example.com", loyalty: "gold" });
  assert.doesNotMatch(JSON.stringify(events), /ann@example|u-1"|"a-1"/);
  assert.deepEqual(await door.counts(7), { received: 7, accepted: 7, duplicate: 0, quarantined: 0 });
});

/** Ten orders of one customer; `sdk` keeps the runs apart. */
const tenOrders = (sdk: string, fault: Fault) =>
  Array.from({ length: 10 }, (_, n) => ({
    userId: `${sdk}-${fault}`,
    event: "Order Completed",
    properties: { ...order, order_id: `${sdk}-${fault}-${n}` },
  }));

/** Nothing lost and nothing doubled: on the log, in the ledger and in what the customer is worth. */
const checkTenOrders = async (sdk: string, fault: Fault): Promise<void> => {
  const events = await door.arrived(10);
  assert.deepEqual(
    events.map((event) => event.order_id).sort(),
    Array.from({ length: 10 }, (_, n) => `${sdk}-${fault}-${n}`),
  );
  assert.ok(proxy!.met.includes(fault));
  const { received, accepted, duplicate, quarantined } = await door.counts(fault === "unavailable" ? 10 : 11);
  assert.deepEqual([accepted, quarantined, received], [10, 0, 10 + duplicate]);
  assert.equal(duplicate > 0, fault !== "unavailable", "what arrived before came again");
  const customer = await door.customer(`${sdk}-${fault}`);
  assert.deepEqual([customer["orders"], customer["net_minor"]], [10, 59_970]);
};

const faults = ["unavailable", "answer-lost", "connection-dropped"] as const;

for (const fault of faults)
  test(`Segment's Node SDK: a retry after ${fault} doubles nothing and loses nothing`, async () => {
    const client = segment(await withFaults([fault]));
    for (const call of tenOrders("segment", fault)) client.track(call);
    await client.closeAndFlush();
    await checkTenOrders("segment", fault);
  });

test("RudderStack's Node SDK: gzip batches arrive with time and identity, and flush waits for them", async () => {
  const client = rudder(door.url);
  client.identify({ userId: "u-2", traits: { email: "bob@example.com", loyalty: "silver" }, timestamp: LONG_AGO });
  client.track({ userId: "u-2", event: "Order Completed", properties: order, timestamp: LONG_AGO });
  client.track({ anonymousId: "a-2", event: "Product Viewed", properties: { product_id: "p1", price: 1 } });
  client.page({ anonymousId: "a-2", name: "Home", properties: { path: "/start?token=1" } });
  await client.flush();

  const events = await door.arrived(4);
  assert.deepEqual(events.map((event) => event.kind).sort(), ["identify", "order_completed", "page", "product_viewed"]);
  const completed = events.find((event) => event.kind === "order_completed")!;
  assert.equal(completed.occurred_at, "2019-05-04T03:02:01.987Z");
  assert.equal(completed.customer_key, door.pseudonyms.customer("u-2"));
  assert.equal(
    events.find((event) => event.kind === "product_viewed")!.anonymous_key,
    door.pseudonyms.anonymous("a-2"),
  );
  assert.equal(events.find((event) => event.kind === "page")!.page_path, "/start");
  assert.deepEqual((await door.profile("u-2"))?.traits, { email: "bob@example.com", loyalty: "silver" });
  assert.doesNotMatch(JSON.stringify(events), /bob@example|token/);
  assert.deepEqual(await door.counts(4), { received: 4, accepted: 4, duplicate: 0, quarantined: 0 });
});

for (const fault of faults)
  test(`RudderStack's Node SDK: a retry after ${fault} doubles nothing and loses nothing`, async () => {
    const client = rudder(await withFaults([fault, fault]));
    for (const call of tenOrders("rudder", fault)) client.track(call);
    await client.flush();
    await checkTenOrders("rudder", fault);
  });

for (const s2s of [true, false])
  test(`Jitsu's SDK under Node (${s2s ? "server to server" : "client"} routes): events arrive with time and identity`, async () => {
    const client = jitsuAnalytics({ host: door.url, writeKey: `${door.writeKey}:any`, s2s });
    await client.identify("u-3", { email: "cleo@example.com", loyalty: "bronze" });
    const before = Date.now();
    await client.track("Order Completed", order);
    await client.page({ path: "/basket", url: "https://shop.example/basket?session=secret" });

    const events = await door.arrived(3);
    assert.deepEqual(events.map((event) => event.kind).sort(), ["identify", "order_completed", "page"]);
    const completed = events.find((event) => event.kind === "order_completed")!;
    assert.equal(completed.customer_key, door.pseudonyms.customer("u-3"));
    assert.equal(completed.total_minor, 5997);
    assert.ok(Math.abs(Date.parse(completed.occurred_at) - before) < 60_000);
    assert.equal(events.find((event) => event.kind === "page")!.page_path, "/basket");
    assert.equal((await door.profile("u-3"))?.traits["email"], "cleo@example.com");
    assert.doesNotMatch(JSON.stringify(events), /cleo@example|secret/);
  });
