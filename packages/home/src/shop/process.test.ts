import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Process, defaultProcess, historyOf, timesOdds } from "./process.ts";
import { Random } from "./random.ts";
import { DAY_MS, ShopClock } from "./season.ts";

/** Everything here is seeded: a figure is either always within its bound or never. Bounds are four standard errors. */
const clock = new ShopClock(Date.UTC(2023, 0, 1), Date.UTC(2026, 0, 1));
const people = (process: Process, count: number) =>
  Array.from({ length: count }, (_, index) => historyOf(3, index, clock, process));

const meanAndError = (values: readonly number[]) => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return { mean, error: Math.sqrt(variance / values.length) };
};
const near = (values: readonly number[], expected: number): void => {
  const { mean, error } = meanAndError(values);
  assert.ok(Math.abs(mean - expected) < 4 * error, `mean ${mean} ± ${error}, expected ${expected}`);
};

test("gamma, beta, exponential, normal and Poisson draws have their theory's means and second moments", () => {
  const random = new Random("moments");
  const draw = (one: () => number) => Array.from({ length: 40_000 }, one);
  const square = (values: readonly number[]) => values.map((value) => value * value);
  for (const [shape, rate] of [
    [0.4, 2],
    [1.1, 34],
    [6, 0.5],
  ] as const) {
    const values = draw(() => random.gamma(shape, rate));
    near(values, shape / rate);
    near(square(values), (shape * (shape + 1)) / rate ** 2);
  }
  const beta = draw(() => random.beta(1.2, 6.5));
  near(beta, 1.2 / 7.7);
  near(square(beta), (1.2 * 2.2) / (7.7 * 8.7));
  near(
    draw(() => random.exponential(0.25)),
    4,
  );
  near(square(draw(() => random.normal())), 1);
  near(
    draw(() => random.poisson(3.5)),
    3.5,
  );
});

test("repeat orders in a year are as many as MBG/NBD says", () => {
  const { purchase, leaving } = defaultProcess;
  const pure = { ...defaultProcess, returning: 0, badExperience: 0, accountOnly: 0 };
  const horizon = 365;
  const counts = people(pure, 30_000)
    .filter((history) => history.joinedDay < clock.length - horizon)
    .map((history) => history.orders.filter((order) => order.shopDay <= history.joinedDay + horizon).length - 1);
  // Given λ and p an active customer orders at rate λ and is active after time t with chance (1 − p)·exp(−λpt), so
  // E[X(t)] = (1 − p)(1 − exp(−λpt)) / p; over gamma λ the exponential is (α / (α + pt))^r. Over p by the midpoint rule,
  // after p = u^(1/a), which takes the beta density's pole at 0 away.
  const { a, b } = leaving;
  let sum = 0;
  let weight = 0;
  for (let step = 0; step < 20_000; step++) {
    const p = ((step + 0.5) / 20_000) ** (1 / a);
    const density = (1 - p) ** (b - 1);
    const survived = (purchase.rate / (purchase.rate + p * horizon)) ** purchase.shape;
    sum += (density * (1 - p) * (1 - survived)) / p;
    weight += density;
  }
  near(counts, sum / weight);
});

test("orders are worth what Gamma-Gamma says", () => {
  const { orderShape, customerShape, scaleMinor } = defaultProcess.spend;
  const histories = people({ ...defaultProcess, accountOnly: 0 }, 6_000);
  const expected = (orderShape * scaleMinor) / (customerShape - 1);
  near(
    histories.map((history) => history.meanGoodsMinor),
    expected,
  );
  near(
    histories.map((history) => history.orders[0]!.goodsMinor),
    expected,
  );
});

test("customers leave as often as their own chance and their bad experiences say", () => {
  let surplus = 0;
  let variance = 0;
  let bad = 0;
  let orders = 0;
  for (const history of people(defaultProcess, 4_000)) {
    const leftAt = new Set(history.lives.map((life) => life.leftDay));
    for (const order of history.orders) {
      const odds = order.bad ? defaultProcess.badExperienceOdds : 1;
      const chance = timesOdds(history.leavingChance, odds);
      surplus += (leftAt.has(order.shopDay) ? 1 : 0) - chance;
      variance += chance * (1 - chance);
      bad += order.bad ? 1 : 0;
      orders++;
    }
  }
  assert.ok(Math.abs(surplus) < 4 * Math.sqrt(variance), `${surplus} ± ${Math.sqrt(variance)}`);
  assert.ok(Math.abs(bad / orders - defaultProcess.badExperience) < 0.005);
});

test("those who left come back at the stated hazard", () => {
  let returned = 0;
  let exposureDays = 0;
  for (const history of people(defaultProcess, 4_000))
    history.lives.forEach((life, index) => {
      if (life.leftDay === undefined) return;
      const next = history.lives[index + 1];
      if (next !== undefined) returned++;
      exposureDays += (next?.fromDay ?? clock.length) - life.leftDay;
    });
  const hazard = returned / exposureDays;
  assert.ok(Math.abs(hazard / defaultProcess.returning - 1) < 4 / Math.sqrt(returned), `${hazard}`);
});

test("a life ends with an order, and the next begins with the order that came back", () => {
  for (const history of people(defaultProcess, 500)) {
    const byDay = new Map(history.orders.map((order) => [order.shopDay, order]));
    history.lives.forEach((life, index) => {
      assert.equal(byDay.get(life.fromDay)?.comeback, index > 0);
      if (life.leftDay !== undefined) assert.ok(byDay.has(life.leftDay));
      else assert.equal(index, history.lives.length - 1);
    });
    assert.equal(history.orders.length === 0, history.lives.length === 0);
  }
});

test("odds are multiplied, not probabilities", () => {
  assert.equal(timesOdds(0.2, 4), 0.5);
  assert.equal(timesOdds(0, 4), 0);
  assert.equal(timesOdds(1, 4), 1);
});

test("shop days and calendar time turn into each other, and a year of shop days is a year", () => {
  fc.assert(
    fc.property(fc.integer({ min: clock.startMs, max: clock.endMs - 1 }), (atMs) => {
      assert.ok(Math.abs(clock.timeOf(clock.shopDayOf(atMs)) - atMs) <= 1);
    }),
    { seed: 11, numRuns: 2_000 },
  );
  assert.ok(Math.abs(clock.length / ((clock.endMs - clock.startMs) / DAY_MS) - 1) < 0.01);
});

test("business is as uneven as the season says: December does 1.44 of a mean month, the night little", () => {
  const december = clock.shopDayOf(Date.UTC(2025, 0, 1)) - clock.shopDayOf(Date.UTC(2024, 11, 1));
  assert.ok(Math.abs(december / 31 - 1.44) < 0.02, `${december / 31}`);
  const dayMs = Date.UTC(2024, 5, 12);
  const at = (hour: number) => clock.shopDayOf(dayMs + hour * 3_600_000);
  assert.ok(at(5) - at(0) < 0.02 && at(21) - at(16) > 0.25);
});
