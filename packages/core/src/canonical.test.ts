import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { test } from "node:test";
import { type CanonicalContext, canonicalEvent } from "./canonical.ts";
import { Pseudonymizer } from "./ids.ts";
import { eventKinds, kindNames } from "./kinds.ts";
import { StreamEvent } from "./stream-event.ts";

const NOW = Date.UTC(2026, 10, 21, 12);
const SECRET = "a secret of thirty-two characters";
const context: CanonicalContext = {
  source: "shop",
  receivedAtMs: NOW,
  receivedAt: new Date(NOW).toISOString(),
  sentAt: undefined,
  receiptId: "rcp_1",
  type: undefined,
  pseudonyms: new Pseudonymizer(SECRET),
  rates: {
    reportingCurrency: "EUR",
    rates: { USD: { "2020-01-01": 0.9, "2024-01-01": 0.95 }, JPY: { "2020-01-01": 0.00625 } },
  },
  allowedProperties: new Set(["plan"]),
  allowedTraits: new Set(["loyalty"]),
  newEventId: () => "evt_given",
};

const eventOf = (wire: object, more: Partial<CanonicalContext> = {}): StreamEvent => {
  const outcome = canonicalEvent(wire, { ...context, ...more }, 7);
  assert.ok(outcome.event !== undefined, JSON.stringify(outcome));
  // Everything that comes out is what the stream is declared to hold.
  assert.deepEqual(StreamEvent.parse(outcome.event), outcome.event);
  return outcome.event;
};
const refusalOf = (wire: unknown): [string, string | undefined] => {
  const outcome = canonicalEvent(wire, context, 0);
  assert.ok(outcome.event === undefined, JSON.stringify(outcome));
  assert.match(outcome.refusal.message, /\.$/);
  return [outcome.refusal.code, outcome.refusal.field];
};
const track = (event: string, properties?: object, more: object = {}) => ({
  type: "track",
  event,
  messageId: "m-1",
  userId: "u-1",
  timestamp: "2024-03-01T10:00:00.000Z",
  ...(properties === undefined ? {} : { properties }),
  ...more,
});
const order = (properties: object, event = "Order Completed") => track(event, { order_id: "o-1", ...properties });

test("ids follow from what the producer sent, by the stated constructions", () => {
  const event = eventOf(order({ revenue: 1 }));
  const sha = createHash("sha256").update("shop\u001fm-1").digest("hex");
  assert.equal(event.event_id, `evt_${sha.slice(0, 32)}`);
  const hmac = createHmac("sha256", SECRET).update("cus\u001fu-1").digest("hex");
  assert.equal(event.customer_key, `cus_${hmac.slice(0, 32)}`);
  assert.notEqual(eventOf(order({ revenue: 1 }), { source: "other" }).event_id, event.event_id);
  assert.equal(eventOf({ ...order({ revenue: 1 }), messageId: "" }).event_id, "evt_given");
  assert.equal(eventOf({ ...order({ revenue: 1 }), userId: 42 }).customer_key, context.pseudonyms.customer("42"));
  assert.equal(event.receipt_number, 7);
});

test("an order's value: revenue, else subtotal, else total − shipping − tax, else lines − discount", () => {
  const lines = { products: [{ price: 10, quantity: 2 }, { price: "2.50" }], discount: 1 };
  const all = { revenue: 100, subtotal: 90, total: 80, shipping: 5, tax: "3.25", ...lines };
  assert.equal(eventOf(order(all)).total_minor, 10_000);
  assert.equal(eventOf(order({ ...all, revenue: null })).total_minor, 9_000);
  assert.equal(eventOf(order({ ...all, revenue: "", subtotal: null })).total_minor, 7_175);
  assert.equal(eventOf(order(lines)).total_minor, 2_150);
  assert.deepEqual(refusalOf(order({})), ["missing_field", "properties.revenue"]);
  assert.deepEqual(refusalOf(order({ products: [{ name: "no price" }] })), ["missing_field", "properties.revenue"]);
  assert.deepEqual(refusalOf(order({ total: 5, shipping: 9 })), ["amount_out_of_range", "properties.revenue"]);
});

test("amounts are exact: text, binary noise, currencies without decimals and with three", () => {
  assert.equal(eventOf(order({ revenue: "12.50" })).total_minor, 1_250);
  assert.equal(eventOf(order({ revenue: 0.1 + 0.2 })).total_minor, 30);
  assert.equal(eventOf(order({ revenue: "0.30000000000000004" })).total_minor, 30);
  assert.equal(eventOf(order({ revenue: 1.005 })).total_minor, 101);
  assert.equal(eventOf(order({ revenue: 1500, currency: "JPY" })).total_minor, 1_500);
  const [line] = eventOf(order({ revenue: 1, products: [{ price: 0.125, quantity: 3 }] })).lines!;
  assert.deepEqual([line?.unit_price, line?.quantity, line?.total_minor], [0.125, 3, 38]);
});

test("money is reported in one currency at the rate of the order's day", () => {
  const at = (timestamp: string) => ({ ...order({ revenue: 200, currency: "usd" }), timestamp });
  const old = eventOf(at("2023-12-31T23:59:59Z"));
  assert.deepEqual(
    [old.currency, old.total_minor, old.reporting_currency, old.reporting_minor],
    ["USD", 20_000, "EUR", 18_000],
  );
  assert.equal(eventOf(at("2024-01-01T00:00:00Z")).reporting_minor, 19_000);
  assert.equal(eventOf(order({ revenue: 1600, currency: "JPY" })).reporting_minor, 1_000);
  assert.equal(eventOf(order({ revenue: 5 })).currency, "EUR");
  assert.deepEqual(refusalOf(at("2019-12-31T00:00:00Z")), ["no_exchange_rate", "properties.currency"]);
  assert.deepEqual(refusalOf(order({ revenue: 5, currency: "CHF" })), ["no_exchange_rate", "properties.currency"]);
  assert.deepEqual(refusalOf(order({ revenue: 5, currency: "XYZ" })), ["unknown_currency", "properties.currency"]);
});

test("later states outrank earlier ones, and at one instant a cancellation an update, an update the order", () => {
  const version = (event: string, timestamp: string) =>
    eventOf({ ...order({ revenue: 1 }, event), timestamp }).order_version!;
  const at = "2024-03-01T10:00:00.000Z";
  assert.ok(version("Order Updated", at) > version("Order Completed", at));
  assert.ok(version("Order Cancelled", at) > version("Order Updated", at));
  assert.ok(version("Order Completed", "2024-03-01T10:00:00.001Z") > version("Order Cancelled", at));
  assert.ok(Number.isSafeInteger(version("Order Cancelled", "2026-11-22T00:00:00Z")));
  assert.equal(eventOf(order({ revenue: 1 })).order_rank, 2);
  assert.equal(eventOf(order({}, "Order Cancelled")).total_minor, undefined);
  assert.deepEqual(refusalOf(order({}, "Order Updated")), ["missing_field", "properties.revenue"]);
});

test("a refund gives back its total, its revenue, its lines, or the whole order, under an id of its own", () => {
  const refund = (properties: object) => eventOf(track("Order Refunded", properties));
  const partial = refund({
    order_id: "o-1",
    total: -5,
    refund_id: "r-1",
    products: [{ product_id: "p", price: 2, quantity: 2 }],
  });
  assert.deepEqual([partial.total_minor, partial.reporting_minor, partial.refund_id], [500, 500, "r-1"]);
  assert.deepEqual(
    partial.lines?.map((line) => [line.quantity, line.unit_price, line.total_minor]),
    [[-2, 2, -400]],
  );
  assert.equal(refund({ order_id: "o-1", revenue: 7 }).total_minor, 700);
  assert.equal(refund({ order_id: "o-1", products: [{ price: 3, quantity: 2 }] }).total_minor, 600);
  const whole = refund({ order_id: "o-1" });
  assert.deepEqual([whole.full_refund, whole.total_minor, whole.refund_id], [true, undefined, whole.event_id]);
  assert.equal(refund({ total: 4 }).order_id, undefined);
  assert.deepEqual(refusalOf(track("Order Refunded", {})), ["missing_field", "properties.total"]);
  assert.deepEqual(refusalOf(track("Order Refunded", { order_id: "o", products: [{ quantity: 1 }] })), [
    "missing_field",
    "properties.total",
  ]);
});

test("what is wrong is named by its path, and never by its value", () => {
  const bad: [object, string, string | undefined][] = [
    [order({ revenue: -1 }), "amount_out_of_range", "properties.revenue"],
    [order({ revenue: 1e12 }), "amount_out_of_range", "properties.revenue"],
    [order({ revenue: "NaN" }), "invalid_field", "properties.revenue"],
    [order({ revenue: "1,234.50" }), "invalid_field", "properties.revenue"],
    [order({ revenue: {} }), "invalid_field", "properties.revenue"],
    [
      order({ revenue: 1, products: [{ price: 1 }, { price: "ten" }] }),
      "invalid_field",
      "properties.products[1].price",
    ],
    [order({ revenue: 1, products: "none" }), "invalid_field", "properties.products"],
    [order({ revenue: 1, products: [null] }), "missing_field", "properties.products[0]"],
    [track("Order Completed", { revenue: 1 }), "missing_field", "properties.order_id"],
    [track("Order Completed", { order_id: "a\u001fb", revenue: 1 }), "invalid_field", "properties.order_id"],
    [track("Order Completed", { order_id: "x".repeat(257), revenue: 1 }), "invalid_field", "properties.order_id"],
    [track("Order Completed"), "missing_field", "properties"],
    [track("Order Completed", [] as never), "invalid_field", "properties"],
    [track(""), "missing_field", "event"],
    [{ ...track("x"), event: {} }, "invalid_field", "event"],
    [{ ...order({ revenue: 1 }), timestamp: "then" }, "invalid_time", "timestamp"],
    [{ ...order({ revenue: 1 }), timestamp: NOW + 2 * 86_400_000 }, "future_time", "timestamp"],
    [{ ...order({ revenue: 1 }), userId: { secret: 1 } }, "invalid_field", "userId"],
    [{ type: "shout" }, "invalid_event", "type"],
    [
      order({ revenue: 1, products: Array.from({ length: 10_001 }, () => ({ price: 1 })) }),
      "too_large",
      "properties.products",
    ],
  ];
  for (const [wire, code, field] of bad)
    assert.deepEqual(refusalOf(wire), [code, field], JSON.stringify(wire).slice(0, 200));
  for (const wire of [null, 3, "text", [], [{}]]) assert.equal(refusalOf(wire)[0], "invalid_event");
  const outcome = canonicalEvent({ ...order({ revenue: "ann@example.com" }) }, context, 0);
  assert.doesNotMatch(JSON.stringify(outcome), /ann@/);
});

test("an event nested deeper than 64 levels is refused, one of 64 is not", () => {
  const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) });
  assert.equal(eventOf(track("Mine", { deep: nested(60) })).kind, "track");
  assert.deepEqual(refusalOf(track("Mine", { deep: nested(70) })), ["invalid_event", undefined]);
});

test("every name of the specification is known, whatever its case; others are events of one's own", () => {
  for (const kind of eventKinds.slice(0, 14)) {
    const properties = { order_id: 1, revenue: 1, platform: "x", post_id: 1 };
    const name = kindNames[kind];
    assert.equal(eventOf(track(name, properties)).kind, kind);
    assert.deepEqual(
      [eventOf(track(name.toUpperCase(), properties)).kind, eventOf(track(name.toLowerCase(), properties)).name],
      [kind, name],
    );
  }
  const own = eventOf(track("Planted a Tree", { plan: "oak", price: 3, name: "Ann", nested: { plan: 1 }, note: "hi" }));
  assert.deepEqual(
    [own.kind, own.name, own.properties, own.dropped_fields],
    ["track", "Planted a Tree", '{"price":3,"plan":"oak"}', 3],
  );
});

test("browsing keeps products, carts, searches and reviews in columns", () => {
  const viewed = eventOf(
    track("Product Viewed", { sku: "s-1", name: "Kettle", price: "19.99", quantity: 2, currency: "EUR", value: 39.98 }),
  );
  assert.deepEqual(
    [viewed.product_id, viewed.product_name, viewed.unit_price, viewed.quantity, viewed.total_minor],
    ["s-1", "Kettle", 19.99, 2, 3998],
  );
  assert.equal(
    eventOf(track("Products Searched", { query: "gift for ann@example.com 4006381333931" })).query,
    "gift for [email] 4006381333931",
  );
  const review = eventOf(
    track("Product Reviewed", { product_id: 9, rating: "4.5", review_body: "@bob it leaks, call 0123 4567890" }),
  );
  assert.deepEqual([review.rating, review.body], [4.5, "@… it leaks, call [phone]"]);
  assert.equal(eventOf(track("Cart Viewed")).cart_id, undefined);
  assert.deepEqual(refusalOf(track("Product Viewed", { price: -2 })), ["amount_out_of_range", "properties.price"]);
});

test("of the context only the allow-list is kept: paths without queries, hosts, campaigns, no address and no traits", () => {
  const event = eventOf({
    type: "page",
    anonymousId: "a-1",
    name: "Reset",
    context: {
      ip: "192.0.2.1",
      userAgent: "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148",
      traits: { email: "ann@example.com" },
      locale: "de-DE",
      location: { country: "DE", city: "Berlin", latitude: 52 },
      page: {
        url: "https://u:p@shop.example/r/ann%40example.com?token=1#x",
        referrer: "https://www.search.example/?q=ann",
      },
      campaign: { source: "letter", term: "ann@example.com", other: 1 },
      sessionId: 1700000000,
      library: { name: "x" },
    },
  });
  assert.deepEqual(
    [
      event.page_path,
      event.referrer_host,
      event.campaign,
      event.country,
      event.language,
      event.device,
      event.session_id,
    ],
    ["/r/[email]", "www.search.example", '{"source":"letter","term":"[email]"}', "DE", "de-DE", "mobile", "1700000000"],
  );
  assert.equal(event.dropped_fields, 3);
  // Whatever else a context is, no event is refused for it.
  for (const odd of ["text", 3, [], { page: 1, campaign: "x", device: [], location: "DE", locale: {} }])
    assert.equal(eventOf({ ...order({ revenue: 1 }), context: odd }).order_id, "o-1");
});

test("a program that says it is a machine is marked, and its name is not kept", () => {
  const agent = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
  const event = eventOf({ type: "page", anonymousId: "a-1", context: { userAgent: agent } });
  assert.equal(event.bot, "user_agent");
  assert.ok(!JSON.stringify(event).includes("Googlebot"));
  assert.equal(eventOf({ type: "page", anonymousId: "a-1", context: {} }).bot, undefined);
});

test("identify tells the profile all traits, the stream the allowed ones, from the top or from the context", () => {
  for (const wire of [
    { traits: { loyalty: "gold", email: "a@b.example" } },
    { context: { traits: { loyalty: "gold", email: "a@b.example" } } },
  ]) {
    const outcome = canonicalEvent({ type: "identify", userId: "u-1", timestamp: "2024-01-01", ...wire }, context, 0);
    assert.ok(outcome.event !== undefined);
    assert.equal(outcome.event.traits, '{"loyalty":"gold"}');
    assert.deepEqual(outcome.profile, {
      customerKey: context.pseudonyms.customer("u-1"),
      customerId: "u-1",
      traits: { loyalty: "gold", email: "a@b.example" },
      updatedAtMs: Date.UTC(2024, 0, 1),
    });
  }
});

test("no field that is marked personal reaches the stream, in any kind of event", () => {
  const secret = "zq-personal-7";
  const everywhere = {
    ...{
      email: secret,
      phone: secret,
      author: secret,
      author_name: secret,
      firstName: secret,
      address: { street: secret },
    },
    ...{ anonymous_id: secret },
    ...{ order_id: "o", revenue: 1, platform: "x", post_id: "p", product_id: "p" },
  };
  for (const kind of eventKinds) {
    const isCall = kindNames[kind] === kind;
    const event = eventOf({
      ...{ type: isCall ? kind : "track", event: kindNames[kind], properties: everywhere, messageId: "m" },
      ...{ userId: secret, anonymousId: secret, previousId: secret, traits: everywhere },
      context: {
        ip: secret,
        traits: everywhere,
        userAgent: secret,
        device: { id: secret, advertisingId: secret },
        page: { url: `https://shop.example/?${secret}`, search: secret, title: secret },
      },
    });
    assert.ok(!JSON.stringify(event).includes(secret), kind);
    assert.ok((event.dropped_fields ?? 0) > 0, kind);
  }
});

test("__proto__ and other names of the language are keys like any", () => {
  const wire = JSON.parse(
    '{"type":"track","event":"Mine","messageId":"m","__proto__":{"userId":"evil"},"properties":{"__proto__":{"plan":"evil"},"constructor":1,"plan":"oak"}}',
  ) as object;
  const event = eventOf(wire, { allowedProperties: new Set(["plan", "__proto__", "constructor"]) });
  assert.equal(event.customer_key, undefined);
  assert.deepEqual(JSON.parse(event.properties!), { plan: "oak", constructor: 1 });
  assert.equal(({} as { userId?: string }).userId, undefined);
});
