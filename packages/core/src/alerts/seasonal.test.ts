import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { uniform } from "../numeric/random.ts";
import { alertsOf, filledSeries } from "./metrics.ts";
import { type Bucket, type Grain, judgeSeries } from "./seasonal.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const start = Date.UTC(2026, 0, 5); // a Monday

/** Poisson by Knuth's product for small means, by a rounded normal for large ones. */
const poisson = (random: () => number, mean: number): number => {
  if (mean > 200) {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal));
  }
  let count = -1;
  for (let product = 1; product > Math.exp(-mean); product *= random()) count++;
  return count;
};

/** A shop's rhythm: quiet nights, busy evenings, twice as much at weekends. */
const usual = (index: number, grain: Grain): number => {
  const day = Math.floor(grain === "hour" ? index / 24 : index) % 7;
  const weekend = day >= 5 ? 2 : 1;
  return grain === "day" ? 150 * weekend : weekend * (5 + 60 * Math.sin((Math.PI * (index % 24)) / 24) ** 2);
};
const shop = (grain: Grain, weeks: number, seed: number, level: (index: number) => number = () => 1): Bucket[] => {
  const random = uniform(seed);
  const length = grain === "hour" ? HOUR : DAY;
  return Array.from({ length: weeks * (grain === "hour" ? 168 : 7) }, (_bucket, i) => ({
    startMs: start + i * length,
    value: poisson(random, usual(i, grain) * level(i)),
  }));
};
const alerting = (series: readonly Bucket[], grain: Grain): number[] =>
  judgeSeries(series, { grain }).flatMap(({ verdict }, i) => (verdict === "high" || verdict === "low" ? [i] : []));

describe("seasonal alerts", () => {
  it("are silent over half a year of an ordinary shop, whose weekends are twice its weekdays", () => {
    for (const seed of [1, 2, 3]) {
      assert.deepEqual(alerting(shop("day", 26, seed), "day"), []);
      assert.ok(alerting(shop("hour", 26, seed), "hour").length <= 2);
    }
  });

  it("tell an outage by the second silent bucket, a surge by the second high one, and which side", () => {
    const outage = shop("hour", 10, 4, (i) => (i >= 1_500 && i < 1_506 ? 0 : 1));
    const judged = judgeSeries(outage, { grain: "hour" });
    assert.deepEqual(
      judged.slice(1_499, 1_507).map(({ verdict }) => verdict),
      ["normal", "unconfirmed", "low", "low", "low", "low", "low", "normal"],
    );
    const surge = judgeSeries(
      shop("day", 12, 5, (i) => (i === 70 || i === 71 ? 3 : 1)),
      { grain: "day" },
    );
    assert.deepEqual([surge[70]!.verdict, surge[71]!.verdict, surge[72]!.verdict], ["unconfirmed", "high", "normal"]);
  });

  it("say what was expected and what would have been normal, in the unit of the value", () => {
    const steady = Array.from({ length: 56 }, (_bucket, i) => ({
      startMs: start + i * DAY,
      value: i === 55 ? 400 : 100,
    }));
    const last = judgeSeries(steady, { grain: "day" })[55]!;
    // √100 = 10, spread ½ by chance alone: z = (20 − 10) / ½, bounds (10 ± 3.5 · ½)².
    assert.equal(last.z, 20);
    assert.deepEqual([last.expected, last.low, last.high], [100, 8.25 ** 2, 11.75 ** 2]);
  });

  it("agree with the definition, computed the slow way", () => {
    const series = shop("day", 16, 6);
    const middle = (values: number[]): number => {
      const sorted = values.toSorted((a, b) => a - b);
      return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2;
    };
    const slotOf = (i: number): number[] =>
      [1, 2, 3, 4, 5, 6].flatMap((week) => (i - 7 * week >= 0 ? [Math.sqrt(series[i - 7 * week]!.value)] : []));
    judgeSeries(series, { grain: "day" }).forEach(({ z }, i) => {
      if (z === undefined) return;
      const centre = middle(slotOf(i));
      const own = 1.4826 * middle(slotOf(i).map((x) => Math.abs(x - centre)));
      const before = series.flatMap((bucket, j) =>
        j < i && j >= i - 42 && slotOf(j).length >= 3 ? [Math.abs(Math.sqrt(bucket.value) - middle(slotOf(j)))] : [],
      );
      const spread = Math.max(own, before.length === 0 ? 0 : 1.4826 * middle(before), 0.5);
      assert.ok(Math.abs(z - (Math.sqrt(series[i]!.value) - centre) / spread) < 1e-9);
    });
  });

  it("do not change as the series grows", () => {
    const series = shop("day", 20, 7, (i) => (i > 100 ? 2 : 1));
    const all = judgeSeries(series, { grain: "day" });
    for (const length of [30, 90, 105])
      assert.deepEqual(judgeSeries(series.slice(0, length), { grain: "day" }), all.slice(0, length));
  });

  it("take a new level for the norm after half the weeks", () => {
    const judged = judgeSeries(
      shop("day", 20, 8, (i) => (i >= 70 ? 2 : 1)),
      { grain: "day" },
    );
    assert.equal(judged[75]!.verdict, "high");
    assert.ok(judged.slice(70 + 35).every(({ verdict }) => verdict === "normal"));
  });

  it("neither judge nor learn from holidays and incomplete buckets", () => {
    const masked = shop("day", 12, 9, (i) => (i === 60 || i === 61 ? 4 : 1)).map((bucket, i) =>
      i === 60 || i === 61
        ? { ...bucket, masked: true }
        : i === 83
          ? { ...bucket, value: 0, incomplete: true }
          : bucket,
    );
    const judged = judgeSeries(masked, { grain: "day" });
    assert.deepEqual(
      [judged[60]!.verdict, judged[61]!.verdict, judged[83]!.verdict],
      ["masked", "masked", "incomplete"],
    );
    assert.deepEqual(alerting(masked, "day"), []);
    // The median of its slot is that of the other five weeks.
    const others = [67 - 14, 67 - 21, 67 - 28, 67 - 35, 67 - 42]
      .map((i) => Math.sqrt(masked[i]!.value))
      .sort((a, b) => a - b);
    assert.ok(Math.abs(judged[67]!.expected! - others[2]! ** 2) < 1e-9);
  });

  it("do not judge what is small now and was small before, but a surge out of nothing", () => {
    const small = shop("day", 10, 10, () => 0.02);
    assert.ok(judgeSeries(small, { grain: "day" }).every(({ verdict }) => verdict.startsWith("too_little")));
    const storm = small.map((bucket, i) => (i >= 68 ? { ...bucket, value: 90 } : bucket));
    assert.deepEqual(alerting(storm, "day"), [69]);
  });

  it("on money know that one order is many minor units: ordinary days of large amounts are no alert", () => {
    const random = uniform(11);
    const days = shop("day", 26, 12).map(({ startMs, value: events }) => {
      let value = 0;
      for (let order = 0; order < events; order++) value += Math.round(-4_000 * Math.log(1 - random()));
      return { startMs, value, events };
    });
    assert.deepEqual(alerting(days, "day"), []);
    const refunds = days.map((day, i) => (i === 150 || i === 151 ? { ...day, value: -day.value } : day));
    assert.deepEqual(alerting(refunds, "day"), [151]);
    assert.ok(judgeSeries(refunds, { grain: "day" })[151]!.z! < -10);
  });

  it("need three weeks, and a series without gaps of numbers on the grain", () => {
    const judged = judgeSeries(shop("day", 5, 13), { grain: "day" });
    assert.deepEqual([judged[20]!.verdict, judged[21]!.verdict], ["too_little_history", "normal"]);
    assert.deepEqual(judgeSeries([], { grain: "day" }), []);
    const day = (index: number, value = 1): Bucket => ({ startMs: start + index * DAY, value });
    assert.throws(() => judgeSeries([day(0), day(2)], { grain: "day" }), /bucket 1 starts/);
    assert.throws(() => judgeSeries([day(1), day(0)], { grain: "day" }), /bucket 1 starts/);
    assert.throws(() => judgeSeries([{ startMs: start + 1, value: 1 }], { grain: "hour" }), /bucket 0 starts/);
    assert.throws(() => judgeSeries([day(0, NaN)], { grain: "day" }), /no number/);
  });
});

describe("watched metrics", () => {
  it("have their gaps filled with nothing, their holidays masked, and what is not complete left out", () => {
    const watch = {
      grain: "day",
      firstMs: start,
      lastMs: start + 3 * DAY,
      holidays: new Set([start + 2 * DAY]),
    } as const;
    const buckets = [0, 2, 9].map((i) => ({ startMs: start + i * DAY, value: 5 }));
    assert.deepEqual(filledSeries(buckets, watch), [
      { startMs: start, value: 5 },
      { startMs: start + DAY, value: 0, events: 0 },
      { startMs: start + 2 * DAY, value: 5, masked: true },
      { startMs: start + 3 * DAY, value: 0, events: 0 },
    ]);
  });

  it("alert together, oldest first, also where a source fell silent and left no rows at all", () => {
    const orders = shop("day", 10, 14);
    const posts = shop("day", 10, 15).slice(0, 66);
    const surge = orders.map((day, i) => (i === 60 || i === 61 ? { ...day, value: day.value * 4 } : day));
    const watch = { grain: "day", firstMs: start, lastMs: start + 69 * DAY } as const;
    const alerts = alertsOf(
      [
        { metric: "social volume", buckets: posts },
        { metric: "orders", buckets: surge },
      ],
      watch,
    );
    assert.deepEqual(
      alerts.map(({ metric, side, startMs }) => [metric, side, (startMs - start) / DAY]),
      [
        ["orders", "high", 61],
        ["social volume", "low", 67],
        ["social volume", "low", 68],
        ["social volume", "low", 69],
      ],
    );
  });
});
