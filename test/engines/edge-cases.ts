/** Events that SQL gets wrong first, drawn by a seed: what a shop may send, in every order and several times. */
import { type StreamEvent, StreamEvent as StreamEventSchema } from "@ebb/core/stream-event";
import fc from "fast-check";

/** Leap days, ends of months and years, and the hours around the turns of daylight saving. */
export const edgeInstants = [
  "1999-12-31T23:59:59.999Z",
  "2000-02-29T00:00:00.000Z",
  "2024-02-28T23:59:59.999Z",
  "2024-02-29T00:00:00.000Z",
  "2024-02-29T23:59:59.999Z",
  "2024-03-01T00:00:00.000Z",
  "2024-12-31T23:59:59.999Z",
  "2025-01-31T12:00:00.000Z",
  "2025-02-28T12:00:00.000Z",
  "2025-03-30T00:59:59.999Z",
  "2025-03-30T01:00:00.000Z",
  "2025-10-26T00:30:00.000Z",
  "2025-10-26T01:30:00.000Z",
  "2025-11-02T05:30:00.000Z",
  "2025-11-02T06:30:00.001Z",
] as const;

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const instant = fc.constantFrom(...edgeInstants);
const text = fc.constantFrom(
  "",
  "a",
  "A",
  "Zürich",
  "it's",
  'say "hi"',
  "back\\slash",
  "line\nbreak",
  "😀",
  "ﬀ",
  " x ",
  "  ",
  "\u00a0no-break\u00a0 ",
  "\ttab ",
);
const minor = fc.oneof(fc.integer({ min: -3_000, max: 9_000 }), fc.constantFrom(0, 1, -1, 4_503_599_627_370_497));
const amount = fc.constantFrom(0, 0.001, -0.001, 1, -1, 2.5, 9.99, -4.25, 999_999.999999);

const line = fc.record({
  line_id: maybe(fc.constantFrom("l1", "l2")),
  product_id: maybe(fc.constantFrom("p1", "p2", "p 3")),
  sku: maybe(text),
  name: maybe(text),
  category: maybe(text),
  quantity: amount,
  unit_price: amount,
  total_minor: minor,
  occurred_at: maybe(instant),
});

const orderEvent = fc.record({
  event_id: fc.integer({ min: 0, max: 30 }),
  kind: fc.constantFrom("order_completed", "order_updated", "order_refunded", "order_refunded", "order_cancelled"),
  source: fc.constantFrom("shop", "till"),
  occurred_at: instant,
  received_at: instant,
  customer: fc.constantFrom("own", "own", "own", "none"),
  anonymous_key: maybe(fc.constantFrom("ano_1", "ano_2")),
  country: maybe(text),
  order_id: maybe(fc.constantFrom("1", "2", "")),
  order_rank: maybe(fc.constantFrom(1, 2)),
  order_version: maybe(fc.integer({ min: 0, max: 3 })),
  refund_id: maybe(fc.constantFrom("a", "b", "")),
  full_refund: maybe(fc.boolean()),
  currency: maybe(fc.constantFrom("EUR", "GBP")),
  total_minor: maybe(minor),
  reporting_currency: maybe(fc.constant("EUR")),
  reporting_minor: maybe(minor),
  coupon: maybe(text),
  discount_minor: maybe(minor),
  tax_minor: maybe(minor),
  lines: maybe(fc.array(line, { maxLength: 3 })),
});

const visit = fc.record({
  event_id: fc.integer({ min: 100, max: 130 }),
  kind: fc.constantFrom("product_viewed", "product_added", "page", "track", "social_mentioned", "identify"),
  source: fc.constantFrom("shop", "till"),
  occurred_at: instant,
  received_at: instant,
  customer: fc.constantFrom("own", "own", "none"),
  anonymous_key: maybe(fc.constantFrom("ano_1", "ano_2", "ano_3")),
  session_id: maybe(fc.constantFrom("s1", "s2")),
  country: maybe(text),
  product_id: maybe(fc.constantFrom("p1", "p2")),
  unit_price: maybe(amount),
  quantity: maybe(amount),
  rating: maybe(fc.constantFrom(0.1, 3, 4.5, 1e-300, -0)),
  body: maybe(text),
  reach: maybe(fc.constantFrom(0, 7, 9_007_199_254_740_991)),
  properties: maybe(fc.constantFrom("{}", '{"plan": "it\'s"}', '{"n": 1}')),
  traits: maybe(fc.constantFrom("{}", '{"plan": "a"}', '{"plan": "b"}')),
});

/** Events of one customer, whose ids name the scenario. Of two drawn with one id the first stands. */
const scenarioOf = (scenario: number, drawn: readonly (Record<string, unknown> & { event_id: number })[]) => {
  const byId = new Map<number, StreamEvent>();
  for (const [index, { event_id: id, customer, ...fields }] of drawn.entries()) {
    if (byId.has(id)) continue;
    const present = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
    byId.set(
      id,
      StreamEventSchema.parse({
        ...present,
        ...(Array.isArray(present["lines"]) && {
          lines: (present["lines"] as Record<string, unknown>[]).map((row) =>
            Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)),
          ),
        }),
        event_id: `evt_${scenario}_${id}`,
        name: "Event",
        schema_version: 1,
        receipt_id: `rcp_${index % 3}`,
        receipt_number: index,
        ...(customer === "own" && { customer_key: `cus_${scenario}` }),
      }),
    );
  }
  return [...byId.values()];
};

/** The same events for the same seed. Every third arrives again: the same receipt twice, and later under another. */
export const edgeCases = (scenarios: number, seed = 20_261_122): StreamEvent[] =>
  fc
    .sample(fc.array(fc.oneof({ weight: 3, arbitrary: orderEvent }, visit), { minLength: 1, maxLength: 14 }), {
      seed,
      numRuns: scenarios,
    })
    .flatMap((drawn, scenario) => scenarioOf(scenario, drawn))
    .flatMap((event, index) =>
      index % 3 === 0
        ? [event, event, { ...event, received_at: "2026-02-01T00:00:00.000Z", receipt_id: "rcp_9" }]
        : [event],
    )
    .reverse();
