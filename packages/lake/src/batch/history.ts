/** For tests: what a few customers did over a year and a half, by seed, with everything that is awkward. */
import { StreamEvent } from "@ebb/core/stream-event";
import { DAY_MS } from "@ebb/core/time";

/** A seeded generator in [0, 1) (mulberry32, Tommy Ettinger 2017, public domain). */
const generator = (seed: number) => {
  let state = seed | 0;
  return (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
};

export const HISTORY_FROM_MS = Date.UTC(2023, 10, 1);
const HISTORY_DAYS = 540;

/** Instants on which rules turn: leap day, ends of months and of the year, clocks put forward and back, midnights. */
const awkward = [
  "2024-02-28T23:59:59.999Z",
  "2024-02-29T00:00:00.000Z",
  "2024-02-29T23:59:59.999Z",
  "2024-03-01T00:00:00.000Z",
  "2023-12-31T23:59:59.999Z",
  "2024-01-01T00:00:00.000Z",
  "2024-03-31T01:30:00.000Z",
  "2024-10-27T01:30:00.000Z",
  "2024-11-30T00:00:00.000Z",
  "2024-12-31T00:00:00.000Z",
].map((text) => Date.parse(text));

export interface HistoryOptions {
  readonly seed: number;
  readonly customers: number;
}

export const makeHistory = ({ seed, customers }: HistoryOptions): StreamEvent[] => {
  const random = generator(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const pick = <T>(values: readonly T[]): T => values[below(values.length)]!;
  const instantMs = (): number =>
    random() < 0.15 ? pick(awkward) : HISTORY_FROM_MS + below(HISTORY_DAYS) * DAY_MS + below(24) * 3_600_000;
  const events: StreamEvent[] = [];
  const add = (fields: Partial<StreamEvent> & Pick<StreamEvent, "kind">, atMs: number): void => {
    const number = events.length;
    const present = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
    events.push(
      StreamEvent.parse({
        event_id: `evt_${seed}_${String(number).padStart(6, "0")}`,
        name: fields.kind,
        source: "shop",
        schema_version: 1,
        occurred_at: new Date(atMs).toISOString(),
        received_at: new Date(atMs + 1_000 + below(5_000)).toISOString(),
        receipt_id: `rcp_${number >> 3}`,
        receipt_number: number & 7,
        ...present,
      }),
    );
  };
  const line = () => {
    const product = below(12);
    const quantity = pick([1, 1, 2, 3, 0.5, -1]);
    return {
      ...(product > 0 && { product_id: `p${product}` }),
      sku: `sku-${product}`,
      name: pick([`Product ${product}`, ` Product ${product} `]),
      ...(product % 4 !== 0 && { category: `category ${product % 3}` }),
      quantity,
      unit_price: product * 5,
      total_minor: Math.round(quantity * product * 500),
    };
  };

  for (let number = 0; number < customers; number++) {
    // Every ninth buyer is not known.
    const customer_key = number % 9 === 8 ? undefined : `cus_${seed}_${number}`;
    const anonymous_key = random() < 0.5 ? `ano_${seed}_${below(customers)}` : undefined;
    const country = pick(["DE", "GB", "FR", undefined]);
    const who = { customer_key, country };
    const source = pick(["shop", "shop", "till"]);
    const orders = pick([0, 1, 1, 1, 2, 3, 6, 12]);
    for (let order = 0; order < orders; order++) {
      const order_id = `${number}-${order}`;
      const atMs = instantMs();
      const lines = random() < 0.9 ? Array.from({ length: 1 + below(4) }, line) : undefined;
      const stated = pick([0, 1_000, 2_550, 9_999, 120_000]);
      const foreign = random() < 0.2;
      const total = {
        currency: foreign ? "USD" : "EUR",
        total_minor: stated,
        reporting_currency: "EUR",
        reporting_minor: foreign ? Math.round(stated * 0.9) : stated,
        discount_minor: pick([undefined, undefined, 0, 300]),
        coupon: pick([undefined, undefined, undefined, "SPRING"]),
        lines,
      };
      const rank = pick([1, 2, 2, undefined]);
      const about = { ...who, source, order_id, order_rank: rank };
      add(
        { ...about, ...total, kind: "order_completed", anonymous_key, order_version: rank === 1 ? 1 : undefined },
        atMs,
      );
      if (random() < 0.2)
        add(
          {
            ...about,
            ...total,
            kind: "order_updated",
            reporting_minor: pick([0, 700, 50_000]),
            order_version: rank === 1 ? 2 : undefined,
          },
          rank === 1 ? atMs : atMs + below(100) * DAY_MS,
        );
      for (let refund = pick([0, 0, 0, 1, 2]); refund > 0; refund--) {
        const full = random() < 0.3;
        add(
          {
            ...who,
            source,
            kind: "order_refunded",
            order_id: random() < 0.8 ? order_id : undefined,
            refund_id: pick([`r${order}-${refund}`, `r${order}`, undefined]),
            currency: "EUR",
            reporting_currency: "EUR",
            ...(full
              ? { full_refund: true }
              : {
                  total_minor: pick([100, 5_000, 500_000]),
                  reporting_minor: pick([100, 5_000, 500_000]),
                  lines: [line()],
                }),
          },
          atMs + below(120) * DAY_MS - (random() < 0.05 ? DAY_MS : 0),
        );
      }
      if (random() < 0.1) add({ ...who, source, kind: "order_cancelled", order_id }, atMs + below(60) * DAY_MS);
    }
    const known = { customer_key: random() < 0.6 ? customer_key : undefined, anonymous_key, country };
    for (let visit = below(6); visit > 0; visit--) {
      const atMs = instantMs();
      const session_id = pick([undefined, `session ${number} ${visit}`]);
      for (const kind of [
        "page",
        "product_viewed",
        "product_added",
        "checkout_started",
        "products_searched",
        "product_reviewed",
        "track",
      ] as const)
        if (random() < 0.5)
          add(
            {
              ...known,
              kind,
              session_id,
              product_id: `p${below(12)}`,
              ...(number % 5 === 4 && visit % 2 === 1 && kind === "page" && { bot: "user_agent" }),
            },
            atMs + below(7_200_000),
          );
    }
    if (random() < 0.3)
      add(
        {
          kind: pick(["social_mentioned", "social_engaged"]),
          customer_key,
          platform: "twitter",
          post_id: String(number),
          sentiment: pick([undefined, "positive", "neutral", "negative", "mixed"]),
          reach: pick([undefined, 0, 40]),
        },
        instantMs(),
      );
    if (random() < 0.4)
      add({ kind: "identify", customer_key, anonymous_key, traits: '{"loyalty":"gold"}' }, instantMs());
  }
  return events;
};
