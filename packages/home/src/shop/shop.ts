/**
 * The shop that Ebb makes itself the first time it starts: customers who buy, drift away and come back by a known
 * process. Everything follows from the options; nothing reads a clock. See `docs/shop.md`.
 */
import { currencyDigits } from "@ebb/core/money";
import { Catalogue } from "./catalogue.ts";
import { callsOf } from "./calls.ts";
import { type History, type Process, defaultProcess, historyOf } from "./process.ts";
import { DAY_MS, ShopClock } from "./season.ts";
import { type Call, LONGEST_LEAD_MS } from "./telling.ts";
import { type Visit, strangersOf, visitsOf } from "./visits.ts";

export type { Call } from "./telling.ts";
export type { History, Process } from "./process.ts";

export interface ShopOptions {
  /** Any integer. */
  readonly seed: number;
  /** People with an account. 2,000 where it is not given: about 13,000 orders and 150,000 events. */
  readonly customers?: number;
  /** Both at midnight UTC. Keep them where the shop is made: another `endMs` is another history. */
  readonly endMs: number;
  /** Three years before `endMs` where it is not given. */
  readonly startMs?: number;
  /** ISO 4217; USD where it is not given. Prices are the same number of minor units in all. */
  readonly currency?: string;
  /** Calls in a batch; 500 where it is not given (about 250 KB). */
  readonly batchCalls?: number;
  readonly process?: Process;
}

export interface ShopBatch {
  /** In time order, also from batch to batch. POST as `{"batch": calls}` to `/v1/batch`. */
  readonly calls: readonly Call[];
  /** Share of the history told when this batch is in, in (0, 1]; 1 with the last. */
  readonly done: number;
}

export interface ShopPlan {
  readonly startMs: number;
  readonly endMs: number;
  readonly customers: number;
  /** Orders placed, guests' included. */
  readonly orders: number;
  /** An estimate from the visits, a few percent off. */
  readonly events: number;
  /** The account with the most orders, for an example to look at. */
  readonly busiestCustomerId: string;
}

const YEARS = 3;
/** Mean calls by occasion, counted over a made shop of 2,000 customers. */
const meanCalls = { browse: 3.6, order: 7.2, other: 1 };

const resolved = (options: ShopOptions) => {
  const { seed, endMs, startMs = endMs - YEARS * 365 * DAY_MS, customers = 2_000 } = options;
  if (!Number.isSafeInteger(seed)) throw new RangeError("the seed of a shop is an integer");
  if (!Number.isSafeInteger(customers) || customers < 1) throw new RangeError("a shop has at least one customer");
  const process = options.process ?? defaultProcess;
  return { seed, startMs, endMs, customers, process, clock: new ShopClock(startMs, endMs) };
};

/** The latent truth: what every customer is like and did, known to nobody who sees the events alone. */
export const shopTruth = (options: ShopOptions): History[] => {
  const { seed, customers, clock, process } = resolved(options);
  return Array.from({ length: customers }, (_, index) => historyOf(seed, index, clock, process));
};

/** Whether a customer is active at an instant: has joined, and has not left or has come back. */
export const isActive = (history: History, clock: ShopClock, atMs: number): boolean => {
  const day = clock.shopDayOf(atMs);
  return history.lives.some((life) => life.fromDay <= day && day < (life.leftDay ?? Infinity));
};

/** All visits in time order, small: the calls are made of them day by day. */
const planned = (options: ShopOptions): Visit[] => {
  const { seed, customers, clock, process } = resolved(options);
  const visits = shopTruth(options).flatMap((history) => visitsOf(seed, history, clock, process));
  visits.push(...strangersOf(seed, customers, clock));
  return visits.sort((a, b) => a.atMs - b.atMs || (a.id < b.id ? -1 : 1));
};

/** What `makeShop` is going to tell, for a progress bar. */
export const shopPlan = (options: ShopOptions): ShopPlan => {
  const { startMs, endMs, customers } = resolved(options);
  const ordersByPerson = new Map<string, number>();
  let events = 0;
  let orders = 0;
  let busiest = "";
  for (const { occasion, person } of planned(options)) {
    events +=
      occasion.type === "browse" ? meanCalls.browse : occasion.type === "order" ? meanCalls.order : meanCalls.other;
    if (occasion.type !== "order") continue;
    orders++;
    const own = (ordersByPerson.get(person.id) ?? 0) + 1;
    ordersByPerson.set(person.id, own);
    if (own > (ordersByPerson.get(busiest) ?? 0)) busiest = person.id;
  }
  return { startMs, endMs, customers, orders, events: Math.round(events), busiestCustomerId: busiest };
};

/**
 * Tells the shop's whole history in batches, in time order. The same options give the same bytes, message ids
 * included, so that a batch may be posted again and a shop that was interrupted be made from the start.
 */
export function* makeShop(options: ShopOptions): Generator<ShopBatch, void, undefined> {
  const { seed, startMs, endMs, clock } = resolved(options);
  const currency = options.currency ?? "USD";
  const digits = currencyDigits(currency);
  if (digits === undefined) throw new RangeError(`${currency} is not an ISO 4217 currency`);
  const setting = { seed, currency, digits, catalogue: new Catalogue(seed, startMs, endMs) };
  const batchCalls = options.batchCalls ?? 500;
  const startsAt = new Date(startMs).toISOString();
  const visits = planned(options);

  let next = 0;
  /** Told, but not yet due: calls after the day in hand. */
  let waiting: Call[] = [];
  let batch: Call[] = [];
  for (let dayMs = startMs; dayMs < endMs; dayMs += DAY_MS) {
    const untilMs = Math.min(dayMs + DAY_MS, clock.endMs);
    const until = new Date(untilMs).toISOString();
    // A visit that is planned early tomorrow may begin today.
    for (; next < visits.length && visits[next]!.atMs < untilMs + LONGEST_LEAD_MS; next++)
      waiting.push(...callsOf(setting, visits[next]!).filter(({ timestamp }) => timestamp >= startsAt));
    const due = waiting.filter(({ timestamp }) => timestamp < until);
    waiting = waiting.filter(({ timestamp }) => timestamp >= until);
    batch.push(...due.sort(byTime));
    // One call at least is kept back, so that the last batch is the one that is done.
    while (batch.length > batchCalls) {
      yield { calls: batch.slice(0, batchCalls), done: next / (visits.length + 1) };
      batch = batch.slice(batchCalls);
    }
  }
  if (batch.length > 0) yield { calls: batch, done: 1 };
}

const byTime = (a: Call, b: Call): number =>
  a.timestamp < b.timestamp ? -1 : a.timestamp > b.timestamp ? 1 : a.messageId < b.messageId ? -1 : 1;
