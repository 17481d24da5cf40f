/**
 * How customers behave: the latent process, with its parameters. `docs/shop.md` states it in words; what a model of
 * churn or value can hope to find in the made shop is exactly this.
 *
 * Purchases and leaving follow the MBG/NBD model (Batislam, Denizel & Filiztekin 2007, after Fader, Hardie & Lee 2005):
 * gamma-distributed Poisson rates, and after every order, the first included, a beta-distributed chance to leave.
 * To it are added: coming back at a constant hazard, and bad experiences that raise the odds of leaving.
 * Spend follows Gamma-Gamma (Fader & Hardie 2013). All durations are in shop days (see `season.ts`).
 */
import { Random } from "./random.ts";
import type { ShopClock } from "./season.ts";

export interface Process {
  /** Orders per shop day of one customer while active: gamma, mean shape / rate. */
  readonly purchase: { readonly shape: number; readonly rate: number };
  /** Chance to leave after an order: beta. */
  readonly leaving: { readonly a: number; readonly b: number };
  /** Hazard of coming back per shop day, once left. */
  readonly returning: number;
  /** Share of orders that go wrong: late, broken, not as described. */
  readonly badExperience: number;
  /** The odds of leaving after a bad experience are the customer's own times this. */
  readonly badExperienceOdds: number;
  /** Value of goods in minor units: gamma(orderShape, ν) with ν ~ gamma(customerShape, scaleMinor). */
  readonly spend: { readonly orderShape: number; readonly customerShape: number; readonly scaleMinor: number };
  /** Share of people who open an account and never order. */
  readonly accountOnly: number;
  readonly browsing: {
    /** Visits without an order per order of an active customer … */
    readonly visitsPerOrder: number;
    /** … and per shop day on top. */
    readonly visitsPerDay: number;
    /** Factor on visits between the last two orders before leaving: interest fades before it ends. */
    readonly beforeLeaving: number;
    /** Visits just after leaving, as a factor, fading with `fadeDays`. */
    readonly afterLeaving: number;
    readonly fadeDays: number;
  };
}

export const defaultProcess: Process = {
  purchase: { shape: 1.1, rate: 34 },
  leaving: { a: 1.2, b: 6.5 },
  returning: 1 / 500,
  badExperience: 0.06,
  badExperienceOdds: 4,
  spend: { orderShape: 6, customerShape: 4, scaleMinor: 3_000 },
  accountOnly: 0.07,
  browsing: { visitsPerOrder: 0.5, visitsPerDay: 1 / 90, beforeLeaving: 0.55, afterLeaving: 0.6, fadeDays: 25 },
};

/** The least value of goods that the shop ships. */
const LEAST_ORDER_MINOR = 500;

export interface PlannedOrder {
  readonly orderId: string;
  readonly shopDay: number;
  /** The same instant on the calendar. */
  readonly atMs: number;
  /** What the customer means to spend on goods; the basket comes as near as the prices let it. */
  readonly goodsMinor: number;
  readonly bad: boolean;
  /** The first order after having left. */
  readonly comeback: boolean;
}

/** From the first order, or the return, to the order after which the customer left; open while active. */
export interface Life {
  readonly fromDay: number;
  readonly leftDay?: number;
}

/** One customer as nobody outside the shop can see it. Days are shop days. */
export interface History {
  readonly index: number;
  readonly customerId: string;
  /** The first order, or the opening of an account that never orders. */
  readonly joinedDay: number;
  readonly joinedAtMs: number;
  readonly ordersPerDay: number;
  readonly leavingChance: number;
  readonly meanGoodsMinor: number;
  readonly orders: readonly PlannedOrder[];
  readonly lives: readonly Life[];
}

/** Customers come at a rate that rises steadily, from 0.6 of its mean to 1.4: the share of time gone when a share has come. */
const arrival = (share: number): number => (-0.6 + Math.sqrt(0.36 + 1.6 * share)) / 0.8;

/** The probability whose odds are `factor` times those of another. */
export const timesOdds = (probability: number, factor: number): number =>
  (probability * factor) / (1 - probability + probability * factor);

/** Lives one customer's life up to the end of the clock. */
export const historyOf = (seed: number, index: number, clock: ShopClock, process: Process): History => {
  const random = new Random(seed, "customer", index);
  const customerId = `customer-${String(index + 1).padStart(5, "0")}`;
  const joinedDay = clock.length * arrival(random.uniform());
  const ordersPerDay = random.gamma(process.purchase.shape, process.purchase.rate);
  const leavingChance = random.beta(process.leaving.a, process.leaving.b);
  const spendRate = random.gamma(process.spend.customerShape, process.spend.scaleMinor);
  const orders: PlannedOrder[] = [];
  const lives: Life[] = [];
  const history: History = {
    index,
    customerId,
    joinedDay,
    joinedAtMs: clock.timeOf(joinedDay),
    ordersPerDay,
    leavingChance,
    meanGoodsMinor: process.spend.orderShape / spendRate,
    orders,
    lives,
  };
  if (random.chance(process.accountOnly)) return history;

  let fromDay = joinedDay;
  let comeback = false;
  for (let day = joinedDay; day < clock.length;) {
    const bad = random.chance(process.badExperience);
    orders.push({
      orderId: `${customerId.replace("customer", "order")}-${String(orders.length + 1).padStart(3, "0")}`,
      shopDay: day,
      atMs: clock.timeOf(day),
      goodsMinor: Math.max(LEAST_ORDER_MINOR, Math.round(random.gamma(process.spend.orderShape, spendRate))),
      bad,
      comeback,
    });
    const left = random.chance(bad ? timesOdds(leavingChance, process.badExperienceOdds) : leavingChance);
    if (left) lives.push({ fromDay, leftDay: day });
    const rate = left ? process.returning : ordersPerDay;
    day = rate === 0 ? Infinity : day + random.exponential(rate);
    comeback = left;
    if (left) fromDay = day;
  }
  if (lives.at(-1)?.leftDay !== orders.at(-1)!.shopDay) lives.push({ fromDay });
  return history;
};
