/**
 * For tests: the slow, obvious computation of features and labels, straight from a list of distinct events. It shares
 * with the SQL no more than the rules of an order in `@ebb/core/orders`, which have an oracle of their own.
 */
import type { OrderRecord } from "@ebb/core/orders";
import { applyOrderEvent, effectOf, emptyOrder, orderKeyOf } from "@ebb/core/orders";
import { orderKinds } from "@ebb/core/kinds";
import type { StreamEvent } from "@ebb/core/stream-event";
import { DAY_MS } from "@ebb/core/time";

type Row = Record<string, number | string | null>;

interface PlainOrder {
  readonly key: string;
  readonly atMs: number;
  readonly netMinor: number;
  readonly grossMinor: number;
  readonly refundMinor: number;
  readonly counts: boolean;
  readonly cancelled: boolean;
  /** The event that is the order's state. */
  readonly event: StreamEvent | undefined;
}

const timeOf = (event: StreamEvent): number => Date.parse(event.occurred_at);

/** What is known of the orders of each customer from these events. */
const ordersOf = (events: readonly StreamEvent[]): Map<string, PlainOrder[]> => {
  const customers = new Map<string, Map<string, OrderRecord>>();
  const byId = new Map(events.map((event) => [event.event_id, event]));
  for (const event of events) {
    if (event.customer_key === undefined || !orderKinds.has(event.kind)) continue;
    const orders = customers.get(event.customer_key) ?? new Map<string, OrderRecord>();
    customers.set(event.customer_key, orders);
    const key = orderKeyOf(event);
    orders.set(key, applyOrderEvent(orders.get(key) ?? emptyOrder(key), event));
  }
  return new Map(
    [...customers].map(([customer, orders]) => [
      customer,
      [...orders].map(([key, record]) => {
        const { grossMinor, refundMinor, counts, occurredAtMs } = effectOf(record);
        return {
          key,
          atMs: occurredAtMs,
          grossMinor,
          refundMinor,
          netMinor: grossMinor - refundMinor,
          counts,
          cancelled: record.snapshot?.cancelled ?? false,
          event: record.snapshot === undefined ? undefined : byId.get(record.snapshot.eventId),
        };
      }),
    ]),
  );
};

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;
const day = (ms: number): number => Math.floor(ms / DAY_MS);
const distinct = (values: readonly (string | undefined)[]): number =>
  new Set(values.filter((value) => value !== undefined)).size;
const change = (now: number, before: number): number =>
  now === 0 && before === 0 ? 0 : (now - before) / (Math.abs(now) + Math.abs(before));

const discountMinor = (event: StreamEvent | undefined): number => {
  const minor = event?.discount_minor ?? 0;
  if (event === undefined || minor <= 0) return 0;
  if (event.currency === event.reporting_currency) return minor;
  if ((event.total_minor ?? 0) === 0) return 0;
  return Math.round((minor * (event.reporting_minor ?? 0)) / event.total_minor!);
};

const purchase = (orders: readonly PlainOrder[], T: number): Row => {
  const counted = orders.filter((order) => order.counts).sort((a, b) => a.atMs - b.atMs || (a.key < b.key ? -1 : 1));
  const n = counted.length;
  const [first, last] = [counted[0]!.atMs, counted.at(-1)!.atMs];
  const within = (days: number) => (order: PlainOrder) => order.atMs >= T - days * DAY_MS;
  const before = (order: PlainOrder) => !within(90)(order) && within(180)(order);
  const netOf = (some: readonly PlainOrder[]) => sum(some.map((order) => order.netMinor));
  const gapsMs = counted.slice(1).map((order, index) => order.atMs - counted[index]!.atMs);
  const minutes = gapsMs.map((gap) => Math.floor(gap / 60_000));
  const deviation = Math.sqrt(sum(minutes.map((gap) => (gap - mean(minutes)) ** 2)) / (minutes.length - 1));
  const days = [...new Set(counted.map((order) => day(order.atMs)))];
  const linesOf = (order: PlainOrder) => order.event?.lines ?? [];
  const perOrder = (of: (order: PlainOrder) => number) => Math.max(0, sum(counted.map(of)) / n);
  const quarterOf = (ms: number) => Math.floor(new Date(ms).getUTCMonth() / 3);
  const discounts = counted.map((order) => discountMinor(order.event));
  const grossMinor = sum(orders.map((order) => order.grossMinor));
  const countedGross = sum(counted.map((order) => order.grossMinor));
  const meanGap = n > 1 ? mean(gapsMs) : null;
  return {
    recency_days: Math.floor((T - last) / DAY_MS),
    orders: n,
    ...Object.fromEntries([30, 90, 180, 365].map((w) => [`orders_${w}d`, counted.filter(within(w)).length])),
    net_minor: netOf(orders),
    ...Object.fromEntries([30, 90, 180, 365].map((w) => [`net_${w}d_minor`, netOf(orders.filter(within(w)))])),
    mean_order_minor: netOf(counted) / n,
    gap_mean_days: meanGap === null ? null : meanGap / DAY_MS,
    gap_sd_days: n > 2 ? deviation / 1_440 : null,
    gap_ratio: meanGap === null || meanGap === 0 ? null : (T - last) / meanGap,
    repeat_days: days.length - 1,
    first_to_last_days: day(last) - day(first),
    observed_days: day(T - 1) - day(first),
    order_trend: change(counted.filter(within(90)).length, counted.filter(before).length),
    net_trend: change(netOf(orders.filter(within(90))), netOf(orders.filter(before))),
    units_per_order: perOrder((order) => sum(linesOf(order).map((line) => line.quantity))),
    lines_per_order: perOrder((order) => linesOf(order).length),
    products_per_order: perOrder((order) => distinct(linesOf(order).map((l) => l.product_id ?? l.sku ?? l.name))),
    categories_per_order: perOrder((order) => distinct(linesOf(order).map((line) => line.category))),
    discount_rate: sum(discounts) / (countedGross + sum(discounts)),
    discounted_share:
      counted.filter((order, index) => discounts[index]! > 0 || order.event?.coupon !== undefined).length / n,
    return_rate: grossMinor === 0 ? 0 : sum(orders.map((order) => order.refundMinor)) / grossMinor,
    refunded_orders: orders.filter((order) => order.refundMinor > 0).length,
    cancelled_orders: orders.filter((order) => order.cancelled).length,
    same_quarter_share: counted.filter((order) => quarterOf(order.atMs) === quarterOf(T)).length / n,
    last_order_month: new Date(last).getUTCMonth() + 1,
    tenure_days: Math.floor((T - first) / DAY_MS),
    country: counted.findLast((order) => order.event?.country !== undefined)?.event?.country ?? null,
  };
};

/** Who an anonymous visitor was last seen to be. */
const linksOf = (known: readonly StreamEvent[]): Map<string, string> => {
  const links = new Map<string, { customer: string; atMs: number }>();
  for (const event of known) {
    const { anonymous_key: anonymous, customer_key: customer } = event;
    if (anonymous === undefined || customer === undefined) continue;
    const link = links.get(anonymous);
    const atMs = timeOf(event);
    if (link === undefined || atMs > link.atMs || (atMs === link.atMs && customer < link.customer))
      links.set(anonymous, { customer, atMs });
  }
  return new Map([...links].map(([anonymous, { customer }]) => [anonymous, customer]));
};

const notWeb = new Set<string>([...orderKinds, "social_mentioned", "social_engaged", "identify", "group", "alias"]);

const web = (visits: readonly StreamEvent[], orders: readonly PlainOrder[], T: number): Row => {
  const days = [...new Set(visits.map((event) => day(timeOf(event))))];
  const buyingDays = new Set(orders.filter((order) => order.counts).map((order) => day(order.atMs)));
  const windows = [30, 90].map((length) => {
    const recent = days.filter((one) => one >= day(T) - length);
    const of = (one: number) => visits.filter((event) => day(timeOf(event)) === one);
    const count = (kind: string) => sum(recent.map((one) => of(one).filter((event) => event.kind === kind).length));
    return {
      [`visit_days_${length}d`]: recent.length,
      [`sessions_${length}d`]: sum(recent.map((one) => distinct(of(one).map((event) => event.session_id)))),
      [`product_views_${length}d`]: count("product_viewed"),
      [`cart_adds_${length}d`]: count("product_added"),
      [`checkouts_${length}d`]: count("checkout_started"),
      [`searches_${length}d`]: count("products_searched"),
    };
  });
  const cartDays = days.filter(
    (one) =>
      one >= day(T) - 90 &&
      visits.some((e) => day(timeOf(e)) === one && ["product_added", "checkout_started"].includes(e.kind)),
  );
  const abandoned = cartDays.filter((one) => !buyingDays.has(one) && !buyingDays.has(one + 1));
  return {
    days_since_visit: visits.length === 0 ? null : Math.floor((T - Math.max(...visits.map(timeOf))) / DAY_MS),
    ...windows[0]!,
    ...windows[1]!,
    abandonment_90d: cartDays.length === 0 ? null : abandoned.length / cartDays.length,
    reviews_365d: visits.filter((event) => event.kind === "product_reviewed").length,
  };
};

const social = (posts: readonly StreamEvent[], T: number): Row => {
  const recent = posts.filter((post) => timeOf(post) >= T - 90 * DAY_MS);
  const felt = posts.flatMap(({ sentiment }) =>
    sentiment === "positive" ? [1] : sentiment === "neutral" ? [0] : sentiment === "negative" ? [-1] : [],
  );
  return {
    posts_90d: recent.length,
    sentiment_365d: felt.length === 0 ? null : mean(felt),
    reach_90d: sum(recent.map((post) => post.reach ?? 0)),
  };
};

const visitDay = (event: StreamEvent): string =>
  [event.source, event.anonymous_key ?? event.customer_key, day(timeOf(event))].join(" ");

/** Features of every customer with a counted order before T. */
export const plainFeatures = (events: readonly StreamEvent[], T: number): Map<string, Row> => {
  const known = events.filter((event) => timeOf(event) < T);
  const links = linksOf(known);
  const recent = known.filter((event) => timeOf(event) >= T - 365 * DAY_MS);
  const machineDays = new Set(known.filter((event) => event.bot !== undefined).map(visitDay));
  const rows = new Map<string, Row>();
  for (const [customer, orders] of ordersOf(known)) {
    if (!orders.some((order) => order.counts)) continue;
    const visits = recent.filter(
      (event) =>
        !notWeb.has(event.kind) &&
        !machineDays.has(visitDay(event)) &&
        (event.customer_key ?? (event.anonymous_key === undefined ? undefined : links.get(event.anonymous_key))) ===
          customer,
    );
    const posts = recent.filter(
      (event) => event.customer_key === customer && ["social_mentioned", "social_engaged"].includes(event.kind),
    );
    rows.set(customer, { ...purchase(orders, T), ...web(visits, orders, T), ...social(posts, T) });
  }
  return rows;
};

/** Labels of the same customers: orders in (T, T + h], as known at T + h. */
export const plainLabels = (events: readonly StreamEvent[], T: number, horizonDays: number): Map<string, Row> => {
  const end = T + horizonDays * DAY_MS;
  const later = ordersOf(events.filter((event) => timeOf(event) <= end));
  return new Map(
    [...plainFeatures(events, T).keys()].map((customer) => {
      const bought = (later.get(customer) ?? []).filter((order) => order.counts && order.atMs > T && order.atMs <= end);
      return [
        customer,
        {
          churned: bought.length === 0 ? 1 : 0,
          future_orders: bought.length,
          future_net_minor: sum(bought.map((order) => order.netMinor)),
        },
      ];
    }),
  );
};
