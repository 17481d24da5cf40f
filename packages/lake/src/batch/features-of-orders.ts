/** Features that stand on orders, refunds and cancellations as they were known at the cutoff. */
import { DAY_MS } from "@ebb/core/time";
import type { Dialect } from "../dialect.ts";
import { type Feature, type Treatment, categorical, counted, money, share, sometimes, unused } from "./feature.ts";

/** Days back from the cutoff; the whole history beside them. */
export const windows = [30, 90, 180, 365] as const;

type Words = Feature["inWords"];
const of = (
  group: Feature["group"],
  name: string,
  [type, unit]: readonly [Feature["type"], Feature["unit"]],
  definition: string,
  treatment: Treatment,
  inWords: Words,
  sql: (m: Dialect) => string = () => `b.${name}`,
): Feature => ({ name, type, unit, definition, group, from: "orders", treatment, inWords, sql });

const days = ["bigint", "days"] as const;
const orders = ["bigint", "orders"] as const;
const minor = ["bigint", "minor units"] as const;
const shareOf = ["double", "share"] as const;

const oftenOrRarely: Words = { high: "orders more often than others", low: "orders less often than others" };
const muchOrLittle: Words = { high: "spends more than others", low: "spends less than others" };

const frequency: readonly Feature[] = [
  of("frequency", "orders", orders, "Counted orders ever", counted, oftenOrRarely),
  ...windows.map((length) =>
    of(
      "frequency",
      `orders_${length}d`,
      orders,
      `Counted orders placed within ${length} days before the cutoff`,
      counted,
      {
        high: `ordered much in the last ${length} days`,
        low: `ordered little or nothing in the last ${length} days`,
      },
    ),
  ),
];

const monetary: readonly Feature[] = [
  of("monetary", "net_minor", minor, "Gross minus refunds ever, reporting currency", money, muchOrLittle),
  ...windows.map((length) =>
    of(
      "monetary",
      `net_${length}d_minor`,
      minor,
      `Gross minus refunds of orders placed within ${length} days before the cutoff, reporting currency; a refund that names no order counts by its own time`,
      money,
      { high: `spent much in the last ${length} days`, low: `spent little or nothing in the last ${length} days` },
    ),
  ),
  of(
    "monetary",
    "mean_order_minor",
    ["double", "minor units"],
    "Net of the counted orders ÷ counted orders",
    money,
    { high: "places large orders", low: "places small orders" },
    (m) => m.ratio("b.counted_net_minor", "b.orders"),
  ),
];

/** Mean of the gaps, milliseconds; NULL before the second order. */
const meanGapMs = (m: Dialect): string => m.ratio("b.last_ms - b.first_ms", "b.orders - 1");
/** Sample variance of n gaps in minutes by their sums: (Σg² − (Σg)²/n) ÷ (n − 1), at least 0 against rounding. */
const gapVariance = (m: Dialect): string => {
  const sum = "CAST(b.gap_minutes AS double)";
  const spread = `CAST(b.squared_gap_minutes AS double) - ${sum} * ${m.ratio(sum, "b.orders - 1")}`;
  return m.ratio(`CASE WHEN ${spread} > 0 THEN ${spread} ELSE 0 END`, "b.orders - 2");
};

const rhythm: readonly Feature[] = [
  of(
    "rhythm",
    "gap_mean_days",
    ["double", "days"],
    "Mean time between counted orders that follow each other; NULL before the second order",
    sometimes(counted),
    { high: "lets much time pass between orders", low: "orders at short intervals" },
    (m) => `CASE WHEN b.orders > 1 THEN ${meanGapMs(m)} / ${DAY_MS}e0 END`,
  ),
  of(
    "rhythm",
    "gap_sd_days",
    ["double", "days"],
    "Standard deviation (n − 1) of those times, taken in whole minutes; NULL before the third order",
    sometimes(counted),
    { high: "orders irregularly", low: "orders with great regularity" },
    (m) => `CASE WHEN b.orders > 2 THEN sqrt(${gapVariance(m)}) / 1440e0 END`,
  ),
  of(
    "rhythm",
    "gap_ratio",
    ["double", "ratio"],
    "Time since the last counted order ÷ mean time between orders; NULL before the second order, and where all are at one instant",
    sometimes(counted),
    { high: "has not ordered for longer than usual", low: "ordered more recently than usual" },
    (m) => `CASE WHEN b.orders > 1 THEN ${m.ratio("CAST(b.age_ms AS double)", meanGapMs(m))} END`,
  ),
  of(
    "rhythm",
    "repeat_days",
    ["bigint", "days"],
    "x of BG/NBD: UTC days with a counted order after the first such day",
    unused,
    oftenOrRarely,
  ),
  of(
    "rhythm",
    "first_to_last_days",
    days,
    "t_x of BG/NBD: from the UTC day of the first counted order to that of the last",
    unused,
    { high: "has come back over a long time", low: "came back over a short time only" },
  ),
  of(
    "rhythm",
    "observed_days",
    days,
    "T of BG/NBD: from the UTC day of the first counted order to the last day before the cutoff",
    unused,
    { high: "is a customer of old", low: "is a new customer" },
  ),
];

const change = (m: Dialect, now: string, before: string): string =>
  `coalesce(${m.ratio(`${now} - ${before}`, `abs(${now}) + abs(${before})`)}, 0e0)`;

const trend: readonly Feature[] = [
  of(
    "trend",
    "order_trend",
    ["double", "ratio"],
    "(a − b) ÷ (a + b), a = counted orders of the last 90 days, b = of the 90 days before; 0 without any. From −1 to 1",
    share,
    { high: "orders more than a quarter ago", low: "orders less than a quarter ago" },
    (m) => change(m, "b.orders_90d", "b.orders_90d_before"),
  ),
  of(
    "trend",
    "net_trend",
    ["double", "ratio"],
    "(a − b) ÷ (|a| + |b|), a = net of the last 90 days, b = of the 90 days before; 0 without any. From −1 to 1",
    share,
    { high: "spends more than a quarter ago", low: "spends less than a quarter ago" },
    (m) => change(m, "b.net_90d_minor", "b.net_90d_before_minor"),
  ),
];

const perOrder = (name: string, sum: string, what: string, inWords: Words): Feature =>
  of(
    "basket",
    name,
    ["double", "units"],
    `${what} per counted order`,
    counted,
    inWords,
    (m) => `CASE WHEN ${sum} > 0 THEN ${m.ratio(sum, "b.orders")} ELSE 0e0 END`,
  );

const basket: readonly Feature[] = [
  perOrder("units_per_order", "b.units", "Units (returned lines of an order taken off, at least 0)", {
    high: "buys many units at a time",
    low: "buys few units at a time",
  }),
  perOrder("lines_per_order", "b.line_count", "Lines", {
    high: "buys many items at a time",
    low: "buys few items at a time",
  }),
  perOrder("products_per_order", "b.product_count", "Distinct products of an order", {
    high: "buys many different products at a time",
    low: "buys few different products at a time",
  }),
  perOrder("categories_per_order", "b.category_count", "Distinct categories of an order", {
    high: "buys from many categories at a time",
    low: "buys from few categories at a time",
  }),
];

const others: readonly Feature[] = [
  of(
    "discounts",
    "discount_rate",
    shareOf,
    "Σ discounts ÷ (Σ gross + Σ discounts) of counted orders, reporting currency",
    share,
    { high: "buys at large discounts", low: "buys at full price" },
    (m) => `coalesce(${m.ratio("b.discount_minor", "b.counted_gross_minor + b.discount_minor")}, 0e0)`,
  ),
  of(
    "discounts",
    "discounted_share",
    shareOf,
    "Share of the counted orders with a discount or a coupon",
    share,
    { high: "buys when there is a discount", low: "buys without discounts" },
    (m) => m.ratio("b.discounted_orders", "b.orders"),
  ),
  of(
    "returns",
    "return_rate",
    ["double", "ratio"],
    "Refunds ÷ gross, ever; above 1 when more was given back than bought",
    { kind: "numeric", transform: "none", winsorise: true, missing: "never" },
    { high: "gives much back", low: "gives little back" },
    (m) => `coalesce(${m.ratio("b.refund_minor", "b.gross_minor")}, 0e0)`,
  ),
  of("returns", "refunded_orders", orders, "Orders with a refund, and refunds that name no order", counted, {
    high: "has returned goods",
    low: "returns nothing",
  }),
  of("returns", "cancelled_orders", orders, "Cancelled orders", counted, {
    high: "has cancelled orders",
    low: "cancels nothing",
  }),
  of(
    "season",
    "same_quarter_share",
    shareOf,
    "Share of the counted orders that were placed in the calendar quarter (UTC) in which the cutoff lies",
    share,
    { high: "orders at this time of the year", low: "orders at other times of the year" },
    (m) => m.ratio("b.same_quarter_orders", "b.orders"),
  ),
  of(
    "season",
    "last_order_month",
    ["bigint", "code"],
    "Calendar month (UTC) of the last counted order, 1 to 12",
    unused,
    { high: "ordered late in the year", low: "ordered early in the year" },
    (m) => m.monthOfYear(m.fromEpochMs("b.last_ms")),
  ),
  of("tenure", "tenure_days", days, "Whole days from the first counted order to the cutoff", counted, {
    high: "is a customer of old",
    low: "is a new customer",
  }),
  of(
    "place",
    "country",
    ["string", "code"],
    "Country as given with the latest counted order that had one; NULL where none had",
    categorical,
    { high: "lives in a country where more customers leave", low: "lives in a country where fewer customers leave" },
  ),
];

export const featuresOfOrders: readonly Feature[] = [
  of("recency", "recency_days", days, "Whole days from the last counted order to the cutoff", counted, {
    high: "has not ordered for a long time",
    low: "ordered recently",
  }),
  ...frequency,
  ...monetary,
  ...rhythm,
  ...trend,
  ...basket,
  ...others,
];
