/** When people come to the shop, and what comes of their orders later: the plan of all that happens, without detail. */
import type { History, PlannedOrder, Process } from "./process.ts";
import { Random } from "./random.ts";
import { DAY_MS, type ShopClock } from "./season.ts";

export type Consequence = "change" | "cancel" | "refund" | "review" | "complaint" | "praise";

export type Occasion =
  /** A visit without an order; `known` when signed in, `joins` when the account is opened in it. */
  | { readonly type: "browse"; readonly known: boolean; readonly joins: boolean }
  | { readonly type: "order"; readonly order: PlannedOrder; readonly joins: boolean }
  | { readonly type: Consequence; readonly order: PlannedOrder }
  | { readonly type: "engage" };

export interface Visit {
  readonly atMs: number;
  /** Names the visit for good, and its stream of random numbers. */
  readonly id: string;
  /** A customer, or a stranger: somebody who never opens an account. */
  readonly person: { readonly customer?: History; readonly id: string; readonly index: number };
  readonly occasion: Occasion;
}

/** Strangers' visits per customer of the shop, and the share of them that order as guests. */
const STRANGERS_PER_CUSTOMER = 0.9;
const GUEST_ORDERS = 0.24;

/** Everything one customer does, unordered. */
export const visitsOf = (seed: number, history: History, clock: ShopClock, process: Process): Visit[] => {
  const random = new Random(seed, "visits", history.index);
  const person = { customer: history, id: history.customerId, index: history.index };
  const visits: Visit[] = [];
  const addAt = (atMs: number, occasion: Occasion): void => {
    if (atMs < clock.startMs || atMs >= clock.endMs) return;
    visits.push({ atMs, id: `${history.customerId}-${visits.length}`, person, occasion });
  };
  const browse = (shopDay: number, known: boolean): void =>
    addAt(clock.timeOf(shopDay), { type: "browse", known, joins: false });

  // Looking around before there is an account.
  for (let left = random.poisson(1.1); left > 0; left--) {
    const day = history.joinedDay - random.exponential(1 / 5);
    if (day > 0) browse(day, false);
  }
  if (history.orders.length === 0) {
    addAt(history.joinedAtMs, { type: "browse", known: true, joins: true });
    for (let left = random.poisson(1.5); left > 0; left--) browse(history.joinedDay + random.exponential(1 / 20), true);
    return visits;
  }

  const lastOfLife = new Set(history.lives.flatMap((life) => life.leftDay ?? []));
  const perDay = history.ordersPerDay * process.browsing.visitsPerOrder + process.browsing.visitsPerDay;
  history.orders.forEach((order, number) => {
    addAt(order.atMs, { type: "order", order, joins: number === 0 });
    for (const [delayMs, type] of consequences(random, order)) addAt(order.atMs + delayMs, { type, order });

    const next = history.orders[number + 1];
    const untilDay = next?.shopDay ?? clock.length;
    const left = lastOfLife.has(order.shopDay);
    const fading = !left && next !== undefined && lastOfLife.has(next.shopDay);
    if (left) {
      // Interest decays: as many visits as the fading rate holds in all, each at an exponential delay.
      for (
        let count = random.poisson(perDay * process.browsing.afterLeaving * process.browsing.fadeDays);
        count > 0;
        count--
      ) {
        const day = order.shopDay + random.exponential(1 / process.browsing.fadeDays);
        if (day < untilDay) browse(day, random.chance(0.85));
      }
      // Nobody comes back to buy without having looked first.
      if (next !== undefined) browse(next.shopDay - random.between(0.1, 3), random.chance(0.5));
      return;
    }
    const rate = perDay * (fading ? process.browsing.beforeLeaving : 1);
    for (let day = order.shopDay + random.exponential(rate); day < untilDay; day += random.exponential(rate)) {
      browse(day, random.chance(0.85));
      if (random.chance(0.06)) addAt(clock.timeOf(day) + random.between(0.1, 2) * DAY_MS, { type: "engage" });
    }
  });
  return visits;
};

/** What follows an order, and after how many milliseconds. Cancelled orders have no other consequence. */
const consequences = (random: Random, order: PlannedOrder): [number, Consequence][] => {
  if (random.chance(0.015)) return [[random.between(0.02, 0.8) * DAY_MS, "cancel"]];
  const found: [number, Consequence][] = [];
  if (random.chance(0.03)) found.push([random.between(0.01, 0.3) * DAY_MS, "change"]);
  else if (random.chance(order.bad ? 0.6 : 0.035)) found.push([random.between(4, 28) * DAY_MS, "refund"]);
  if (random.chance(order.bad ? 0.2 : 0.08)) found.push([random.between(3, 21) * DAY_MS, "review"]);
  if (random.chance(order.bad ? 0.4 : 0.002)) found.push([random.between(1, 9) * DAY_MS, "complaint"]);
  if (!order.bad && random.chance(0.015)) found.push([random.between(2, 12) * DAY_MS, "praise"]);
  return found;
};

/** People who look around once, or order as guests: events without a customer. */
export const strangersOf = (seed: number, customers: number, clock: ShopClock): Visit[] => {
  const visits: Visit[] = [];
  for (let index = 0; index < Math.round(customers * STRANGERS_PER_CUSTOMER); index++) {
    const random = new Random(seed, "stranger", index);
    const id = `guest-${String(index + 1).padStart(5, "0")}`;
    const shopDay = clock.length * random.uniform();
    const goodsMinor = Math.max(500, Math.round(random.gamma(3, 3 / 4_500)));
    const atMs = clock.timeOf(shopDay);
    const order: PlannedOrder = { orderId: `order-${id}`, shopDay, atMs, goodsMinor, bad: false, comeback: false };
    const occasion: Occasion = random.chance(GUEST_ORDERS)
      ? { type: "order", order, joins: false }
      : { type: "browse", known: false, joins: false };
    visits.push({ atMs, id, person: { id, index }, occasion });
  }
  return visits;
};
