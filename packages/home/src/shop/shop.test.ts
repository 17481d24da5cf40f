import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { limits } from "@ebb/core/limits";
import { definitions, kindOfTrack } from "@ebb/core/wire/definitions";
import { LONGEST_LEAD_MS } from "./telling.ts";
import { type Call, type ShopOptions, makeShop, shopPlan, shopTruth } from "./shop.ts";

const DAY_MS = 86_400_000;
const small: ShopOptions = {
  seed: 7,
  customers: 150,
  startMs: Date.UTC(2025, 0, 1),
  endMs: Date.UTC(2026, 0, 1),
  batchCalls: 400,
};
const all = (options: ShopOptions): Call[] => [...makeShop(options)].flatMap((batch) => batch.calls);
const digestOf = (options: ShopOptions): string =>
  createHash("sha256")
    .update(JSON.stringify([...makeShop(options)]))
    .digest("hex");
const calls = all(small);
const named = (event: string): Call[] => calls.filter((call) => call.event === event);
const cents = (value: unknown): number => Math.round((value as number) * 100);

test("the same options give the same bytes, and another seed gives others", () => {
  assert.equal(digestOf(small), digestOf({ ...small }));
  assert.notEqual(digestOf(small), digestOf({ ...small, seed: 8 }));
});

test("a customer's life does not depend on how many others there are", () => {
  const few = shopTruth(small);
  assert.deepEqual(shopTruth({ ...small, customers: 400 }).slice(0, few.length), few);
});

test("calls come in time order, inside the shop's time, each with an id of its own", () => {
  // A month that is so busy that some visits begin before midnight, among others, and end after it.
  const busy = { ...small, customers: 4_000, startMs: Date.UTC(2025, 10, 1), endMs: Date.UTC(2025, 11, 1) };
  const busyTimes = all(busy).map((call) => call.timestamp);
  assert.ok(busyTimes.every((time, index) => index === 0 || busyTimes[index - 1]! <= time));

  const times = calls.map((call) => call.timestamp);
  assert.deepEqual(times, times.toSorted());
  assert.ok(times.every((time, index) => index === 0 || times[index - 1]! <= time));
  assert.ok(Date.parse(times[0]!) >= small.startMs!);
  assert.ok(Date.parse(times.at(-1)!) < small.endMs);
  assert.equal(new Set(calls.map((call) => call.messageId)).size, calls.length);
});

test("batches are full but for the last, fit a request, and end at the whole", () => {
  const batches = [...makeShop(small)];
  const sizes = batches.map((batch) => batch.calls.length);
  assert.ok(sizes.length > 5);
  assert.deepEqual(new Set(sizes.slice(0, -1)), new Set([400]));
  for (const batch of batches) assert.ok(JSON.stringify({ batch: batch.calls }).length < limits.batchBytes);
  const done = batches.map((batch) => batch.done);
  assert.deepEqual(
    done,
    done.toSorted((a, b) => a - b),
  );
  assert.equal(done.at(-1), 1);
});

test("every call is valid by the wire schemas, under a kind of its own name", () => {
  const kinds = new Set<string>();
  for (const call of calls) {
    const kind = call.type === "track" ? kindOfTrack(call.event!) : call.type;
    assert.ok(kind !== "track", `${call.event} is not a known event`);
    kinds.add(kind);
    const parsed = definitions[kind].safeParse(call);
    assert.ok(parsed.success, `${call.event ?? call.type}: ${parsed.error?.message}`);
  }
  // Everything the pipeline knows, but for the calls that a shop on the web has no use for.
  const unused = new Set(["screen", "group", "alias", "identity_unlinked", "track"]);
  const expected = Object.keys(definitions).filter((kind) => !unused.has(kind));
  assert.deepEqual([...kinds].sort(), expected.sort());
});

test("an order's amounts add up to the cent, before and after a change", () => {
  const orders = [...named("Order Completed"), ...named("Order Updated")];
  assert.ok(named("Order Updated").length > 0);
  for (const { properties } of orders) {
    const lines = properties!["products"] as { price: number; quantity: number }[];
    const goods = lines.reduce((sum, line) => sum + cents(line.price) * line.quantity, 0);
    assert.equal(cents(properties!["subtotal"]), goods - cents(properties!["discount"]));
    assert.equal(
      cents(properties!["total"]),
      cents(properties!["subtotal"]) + cents(properties!["shipping"]) + cents(properties!["tax"]),
    );
  }
});

test("amounts are whole minor units of whatever currency the shop sells in", () => {
  const [order] = all({ ...small, customers: 5, currency: "JPY" }).filter(({ event }) => event === "Order Completed");
  assert.equal(order!.properties!["currency"], "JPY");
  assert.ok(Number.isInteger(order!.properties!["total"]) && (order!.properties!["total"] as number) > 1_000);
  assert.throws(() => all({ ...small, currency: "EURO" }), RangeError);
});

test("no refund is larger than its order, and every consequence comes after it", () => {
  const orders = new Map(named("Order Completed").map((call) => [call.properties!["order_id"], call]));
  const later = ["Order Refunded", "Order Cancelled", "Order Updated"].flatMap(named);
  assert.ok(later.length > 20);
  for (const { event, properties, timestamp, userId } of later) {
    const order = orders.get(properties!["order_id"])!;
    assert.ok(timestamp > order.timestamp);
    assert.equal(userId, order.userId);
    if (event === "Order Refunded" && properties!["total"] !== undefined)
      assert.ok(cents(properties!["total"]) <= cents(order.properties!["subtotal"]));
  }
});

test("the orders told are the orders of the truth, customer by customer", () => {
  const told = named("Order Completed")
    .filter((call) => call.userId !== undefined)
    .map((call) => [call.userId, call.properties!["order_id"], Date.parse(call.timestamp)].join());
  const truth = shopTruth(small).flatMap((history) =>
    history.orders.map((order) => [history.customerId, order.orderId, order.atMs].join()),
  );
  assert.deepEqual(told.sort(), truth.sort());
});

test("nobody is named before opening an account, and a few percent of the orders are guests'", () => {
  const introduced = new Set<string>();
  for (const call of calls) {
    if (call.type === "identify") introduced.add(call.userId!);
    else if (call.userId !== undefined) assert.ok(introduced.has(call.userId), `${call.messageId} names a stranger`);
  }
  const orders = named("Order Completed");
  const guests = orders.filter((call) => call.userId === undefined);
  assert.ok(guests.length > 0 && guests.length / orders.length < 0.1);
  for (const guest of guests) assert.ok(guest.anonymousId !== undefined);
});

test("anonymous looking around is linked by the device that the account is opened on", () => {
  const customerByDevice = new Map(
    calls.flatMap((call) => (call.type === "identify" ? [[call.anonymousId!, call.userId!] as const] : [])),
  );
  const linked = calls.filter((call) => call.userId === undefined && customerByDevice.has(call.anonymousId!));
  assert.ok(linked.length > 100);
});

test("the plan's estimate is within 5 % of what is made, and its orders are exact", () => {
  const plan = shopPlan(small);
  assert.ok(Math.abs(plan.events / calls.length - 1) < 0.05, `${plan.events} planned, ${calls.length} made`);
  assert.equal(plan.orders, named("Order Completed").length);
  assert.ok(named("Order Completed").some((call) => call.userId === plan.busiestCustomerId));
});

test("the default shop has 10,000 to 15,000 orders and some 150,000 events over three years", () => {
  const plan = shopPlan({ seed: 1, endMs: Date.UTC(2026, 0, 1) });
  assert.equal(plan.endMs - plan.startMs, 3 * 365 * DAY_MS);
  assert.equal(plan.customers, 2_000);
  assert.ok(plan.orders > 10_000 && plan.orders < 15_000, `${plan.orders} orders`);
  assert.ok(plan.events > 130_000 && plan.events < 175_000, `${plan.events} events`);
});

test("no visit is longer than the telling of a day allows for", () => {
  const begun = new Map<string, number>();
  let longestMs = 0;
  for (const call of calls) {
    const visit = call.messageId.replace(/-\d+$/, "");
    const atMs = Date.parse(call.timestamp);
    if (!begun.has(visit)) begun.set(visit, atMs);
    longestMs = Math.max(longestMs, atMs - begun.get(visit)!);
  }
  assert.ok(longestMs > 0 && longestMs < LONGEST_LEAD_MS / 2, `${longestMs} ms`);
});

test("a shop that cannot be is refused", () => {
  assert.throws(() => shopPlan({ ...small, seed: 0.5 }), RangeError);
  assert.throws(() => shopPlan({ ...small, customers: 0 }), RangeError);
  assert.throws(() => shopPlan({ ...small, startMs: small.endMs }), RangeError);
  assert.throws(() => shopPlan({ ...small, startMs: small.startMs! + 1 }), RangeError);
});
