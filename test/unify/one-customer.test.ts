/** One customer from visits on two devices, a shop's server and a social network, as it comes over the wire; by hand. */
import assert from "node:assert/strict";
import test from "node:test";
import { type CanonicalContext, canonicalEvent } from "@ebb/core/canonical";
import { Pseudonymizer } from "@ebb/core/ids";
import { loadLanguages } from "@ebb/core/sentiment";
import type { StreamEvent } from "@ebb/core/stream-event";
import { customerFeatures } from "@ebb/lake/batch/customer-features";
import { monthlyTables } from "@ebb/lake/batch/monthly-tables";
import { brokenPromises, curatedLakeOf, write } from "@ebb/lake/batch/testing";
import { unifiedTables } from "@ebb/lake/batch/unified-tables";
import { rowsOf } from "@ebb/lake/testing";

await loadLanguages();
const pseudonyms = new Pseudonymizer("a secret of at least thirty-two characters");
const contextOf = (source: string): CanonicalContext => ({
  source,
  receivedAtMs: Date.UTC(2025, 5, 1),
  receivedAt: "2025-06-01T00:00:00.000Z",
  sentAt: undefined,
  receiptId: "rcp_1",
  type: undefined,
  pseudonyms,
  rates: { reportingCurrency: "EUR", rates: {} },
  allowedProperties: new Set(),
  allowedTraits: new Set(["tier"]),
  newEventId: () => assert.fail("every event here has an id"),
});

let sent = 0;
const wire = (source: string, at: string, call: Record<string, unknown>): StreamEvent => {
  const number = sent++;
  const event = canonicalEvent(
    { messageId: `m-${number}`, timestamp: `2025-05-${at}Z`, ...call },
    contextOf(source),
    number,
  );
  assert.ok(event.event !== undefined, JSON.stringify(event));
  return event.event;
};
const page = (at: string, who: object, path = "/") =>
  wire("web", at, { type: "page", ...who, context: { page: { path } } });
const post = (at: string, author: string, text: string) =>
  wire("social", at, {
    type: "track",
    event: "Social Mentioned",
    properties: { platform: "x", post_id: `p${at}`, author, text },
  });

const [laptop, phone] = [{ anonymousId: "laptop" }, { anonymousId: "phone" }];
const zoe = { userId: "zoe" };
const journey = [
  // Two devices, nobody known: three sessions.
  page("01T10:00:00", laptop),
  page("01T10:10:00", laptop, "/tea"),
  page("02T08:00:00", phone, "/tea"),
  page("03T20:00:00", laptop),
  // A sign-in on the laptop, in the middle of a session, and an order that browser and server both tell.
  wire("web", "03T20:05:00", {
    ...{ type: "identify", ...laptop, ...zoe },
    traits: { email: " Zoe@Example.com", tier: "gold", social: { platform: "x", handle: "@Zoe_L" } },
  }),
  page("03T20:10:00", { ...laptop, ...zoe }, "/cart"),
  wire("web", "03T20:20:00", {
    ...{ type: "track", event: "Order Completed", ...laptop },
    properties: { order_id: "A-1", revenue: 20, currency: "EUR" },
  }),
  wire("web", "03T20:20:01", {
    ...{ type: "track", event: "Order Completed", ...zoe },
    properties: { order_id: "A-1", revenue: 20, currency: "EUR" },
  }),
  // A guest's order on the phone, and a post under the handle, before the phone is known.
  wire("web", "04T09:00:00", {
    ...{ type: "track", event: "Order Completed", ...phone },
    properties: { order_id: "A-2", revenue: 5, currency: "EUR" },
  }),
  post("05T12:00:00", "zoe_l", "What a lovely tea!"),
  post("05T13:00:00", "somebody_else", "It came late."),
  // The newsletter form on the phone knows the address alone.
  wire("web", "06T07:00:00", { type: "identify", ...phone, traits: { email: "zoe@example.com" } }),
  wire("shop", "06T08:00:00", { type: "identify", ...zoe, traits: { tier: "silver" } }),
  // Somebody else's device.
  page("06T09:00:00", { anonymousId: "other" }),
];
const unlinked = [
  wire("shop", "07T10:00:00", {
    ...{ type: "track", event: "Identity Unlinked", ...zoe, anonymousId: "the operator's own" },
    properties: { anonymous_id: "phone" },
  }),
];

const lakeOfJourney = async (events: readonly StreamEvent[]) => {
  const lake = await curatedLakeOf(events);
  for (const table of monthlyTables) await write(lake, table, {});
  for (const table of unifiedTables) {
    await write(lake, table, { cutoff: "2026-02-01T00:00:00.000Z", documents: { traits: ["tier"] } });
    assert.deepEqual(await brokenPromises(lake, table), []);
  }
  return lake;
};
const zoeKey = pseudonyms.customer("zoe");
const unified = `SELECT devices, emails, handles, conflicts, sessions, visit_events, orders, guest_orders, posts FROM unified_customers`;

test("two devices, an address and a handle are one customer, and each thing is counted once", async () => {
  const lake = await lakeOfJourney(journey);
  assert.deepEqual(await rowsOf(lake, "SELECT customer_key FROM unified_customers"), [{ customer_key: zoeKey }]);
  assert.deepEqual(await rowsOf(lake, unified), [
    // The laptop's two sessions and the phone's one; A-1 once, A-2 as a guest; one of the two posts.
    {
      devices: 2,
      emails: 1,
      handles: 1,
      conflicts: 0,
      sessions: 3,
      visit_events: 5,
      orders: 1,
      guest_orders: 1,
      posts: 1,
    },
  ]);
  assert.deepEqual(
    await rowsOf(lake, "SELECT kind, via FROM identity_keys WHERE customer_key IS NOT NULL ORDER BY kind, via"),
    [
      { kind: "anonymous", via: "customer" },
      { kind: "anonymous", via: "email" },
      { kind: "email", via: "customer" },
      { kind: "handle", via: "customer" },
    ],
  );
  await write(lake, customerFeatures, { cutoff: "2025-06-01T00:00:00.000Z" });
  assert.deepEqual(
    await rowsOf(lake, "SELECT orders, net_minor, visit_days_90d, posts_90d, sentiment_365d FROM customer_features"),
    [{ orders: 1, net_minor: 2_000, visit_days_90d: 3, posts_90d: 1, sentiment_365d: 1 }],
  );
});

test("an attribute has the source and the time of what stands, and a conflict between sources is told", async () => {
  const lake = await lakeOfJourney(journey);
  assert.deepEqual(
    await rowsOf(
      lake,
      `SELECT attribute, source, value, CAST(occurred_at AS date)::VARCHAR AS day, stands, sources_differ
       FROM customer_attributes WHERE attribute = 'trait.tier' ORDER BY source`,
    ),
    [
      {
        attribute: "trait.tier",
        source: "shop",
        value: "silver",
        day: "2025-05-06",
        stands: true,
        sources_differ: true,
      },
      { attribute: "trait.tier", source: "web", value: "gold", day: "2025-05-03", stands: false, sources_differ: true },
    ],
  );
});

test("an un-merge restores what was, and a sign-in after it merges again", async () => {
  const parted = await lakeOfJourney([...journey, ...unlinked]);
  assert.deepEqual(await rowsOf(parted, unified), [
    {
      devices: 1,
      emails: 1,
      handles: 1,
      conflicts: 0,
      sessions: 2,
      visit_events: 4,
      orders: 1,
      guest_orders: 0,
      posts: 1,
    },
  ]);
  assert.deepEqual(
    await rowsOf(
      parted,
      "SELECT change, CAST(occurred_at AS date)::VARCHAR AS day FROM identity_changes WHERE change = 'unmerged'",
    ),
    [{ change: "unmerged", day: "2025-05-07" }],
  );
  const again = await lakeOfJourney([...journey, ...unlinked, page("08T10:00:00", { ...phone, ...zoe })]);
  assert.deepEqual(await rowsOf(again, "SELECT devices, sessions, guest_orders FROM unified_customers"), [
    { devices: 2, sessions: 4, guest_orders: 1 },
  ]);
});

test("nothing that names a person is in the events", () => {
  const text = JSON.stringify([...journey, ...unlinked]).toLowerCase();
  for (const name of ["zoe", "example.com", "laptop", "phone", "operator"]) assert.ok(!text.includes(name), name);
});
