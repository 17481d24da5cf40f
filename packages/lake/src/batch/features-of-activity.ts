/** Features that stand on visits of the shop and on posts, 365 days back at most. */
import type { Dialect } from "../dialect.ts";
import { type Feature, type Treatment, counted, share, sometimes } from "./feature.ts";

/** How far back visits and posts are read, days. */
export const ACTIVITY_DAYS = 365;

const of = (
  from: "web" | "social",
  name: string,
  [type, unit]: readonly [Feature["type"], Feature["unit"]],
  definition: string,
  treatment: Treatment,
  inWords: Feature["inWords"],
  sql: (m: Dialect) => string,
): Feature => ({ name, type, unit, definition, group: from, from, treatment, inWords, sql });

const orZero = (column: string) => () => `coalesce(${column}, 0)`;

const visitCounts = [
  ["visit_days", "Days (UTC) with a visit", "visits often", "visits rarely"],
  ["sessions", "Sessions; one that lasts past midnight is two", "visits often", "visits rarely"],
  ["product_views", "Product pages looked at", "looks at many products", "looks at few products"],
  ["cart_adds", "Products put into the cart", "puts many products into the cart", "puts few products into the cart"],
  ["checkouts", "Checkouts started", "starts many checkouts", "starts few checkouts"],
  ["searches", "Searches for products", "searches much", "searches little"],
] as const;

export const visitWindows = [30, 90] as const;

const visits: readonly Feature[] = visitCounts.flatMap(([name, what, high, low]) =>
  visitWindows.map((length) =>
    of(
      "web",
      `${name}_${length}d`,
      ["bigint", name === "visit_days" ? "days" : "events"],
      `${what}, within ${length} days before the cutoff`,
      counted,
      { high, low },
      orZero(`w.${name}_${length}d`),
    ),
  ),
);

export const featuresOfActivity: readonly Feature[] = [
  of(
    "web",
    "days_since_visit",
    ["bigint", "days"],
    `Whole days from the last event of a visit to the cutoff; NULL without one in ${ACTIVITY_DAYS} days`,
    sometimes(counted),
    { high: "has not visited for a long time", low: "visited recently" },
    () => "w.days_since_visit",
  ),
  ...visits,
  of(
    "web",
    "abandonment_90d",
    ["double", "share"],
    "Of the days within 90 with a product put into the cart or a checkout started, the share without a counted order on that day or the next; NULL without such a day",
    sometimes(share),
    { high: "leaves carts without ordering", low: "orders what is in the cart" },
    (m) => m.ratio("w.abandoned_days_90d", "w.cart_days_90d"),
  ),
  of(
    "web",
    "reviews_365d",
    ["bigint", "events"],
    "Product reviews within 365 days before the cutoff",
    counted,
    { high: "writes reviews", low: "writes no reviews" },
    orZero("w.reviews_365d"),
  ),
  of(
    "social",
    "posts_90d",
    ["bigint", "events"],
    "Posts about the shop and engagement with it, by a known customer, within 90 days before the cutoff",
    counted,
    { high: "speaks of the shop", low: "is silent about the shop" },
    orZero("s.posts_90d"),
  ),
  of(
    "social",
    "sentiment_365d",
    ["double", "score"],
    "Mean sentiment of the customer's posts within 365 days: positive 1, neutral 0, negative −1; NULL without a post that has one",
    sometimes(share),
    { high: "speaks well of the shop", low: "speaks ill of the shop" },
    (m) => m.ratio("s.sentiment_sum", "s.sentiment_posts"),
  ),
  of(
    "social",
    "reach_90d",
    ["bigint", "events"],
    "Likes, shares and replies of those posts within 90 days before the cutoff",
    counted,
    { high: "is heard by many", low: "is heard by few" },
    orZero("s.reach_90d"),
  ),
];
