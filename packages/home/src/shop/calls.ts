/** A visit told as calls of the Segment HTTP Tracking API, with the names and fields of its E-commerce Spec v2. */
import type { Product } from "./catalogue.ts";
import { type BasketLine, type Order, changedOrder, orderOf } from "./orders.ts";
import { complaintText, praiseText, reviewText } from "./people.ts";
import type { PlannedOrder } from "./process.ts";
import { type Call, SHOP_ADDRESS, type Setting, Telling } from "./telling.ts";
import type { Consequence, Visit } from "./visits.ts";

const productFields = (telling: Telling, product: Product) => ({
  product_id: product.productId,
  sku: product.sku,
  category: product.category,
  name: product.name,
  brand: product.brand,
  price: telling.major(product.priceMinor),
});
const lineFields = (telling: Telling, { product, quantity }: BasketLine) => ({
  ...productFields(telling, product),
  quantity,
});
const linesFields = (telling: Telling, lines: readonly BasketLine[]) => lines.map((line) => lineFields(telling, line));
const viewFields = (telling: Telling, product: Product) => ({
  ...productFields(telling, product),
  url: `${SHOP_ADDRESS}/p/${product.productId.toLowerCase()}`,
});

const orderFields = (telling: Telling, { orderId }: PlannedOrder, order: Order) => ({
  order_id: orderId,
  total: telling.major(order.totalMinor),
  subtotal: telling.major(order.goodsMinor - order.discountMinor),
  shipping: telling.major(order.shippingMinor),
  tax: telling.major(order.taxMinor),
  discount: telling.major(order.discountMinor),
  ...(order.coupon === undefined ? {} : { coupon: order.coupon }),
  currency: telling.setting.currency,
  country: telling.person.country,
  products: linesFields(telling, order.lines),
});

/** The calls of one visit, in time order. Which of them lie outside the shop's time is the caller's to see. */
export const callsOf = (setting: Setting, visit: Visit): Call[] => {
  const telling = new Telling(setting, visit);
  const { occasion } = visit;
  switch (occasion.type) {
    case "browse":
      return browse(telling, occasion.joins);
    case "order":
      return buy(telling, occasion.order);
    case "engage":
      return engage(telling);
    case "change":
    case "cancel":
    case "refund":
    case "review":
    case "complaint":
    case "praise":
      return afterwards(telling, occasion.type, occasion.order);
  }
};

const listViewed = (telling: Telling, first: Product): void => {
  const shown = [first, telling.product(), telling.product()];
  const products = shown.map((product, index) => ({ ...productFields(telling, product), position: index + 1 }));
  telling.track("Product List Viewed", { list_id: first.category.toLowerCase(), category: first.category, products });
};

const browse = (telling: Telling, joins: boolean): Call[] => {
  const { random } = telling;
  const first = telling.product();
  telling.page("Home", "/");
  if (random.chance(0.15)) telling.track("Products Searched", { query: first.name.split(" ").at(-1)!.toLowerCase() });
  if (random.chance(0.6)) listViewed(telling, first);
  telling.track("Product Viewed", viewFields(telling, first));
  for (let more = random.poisson(0.7); more > 0; more--)
    telling.track("Product Viewed", viewFields(telling, telling.product()));
  if (random.chance(0.12)) telling.track("Product Added", { ...productFields(telling, first), quantity: 1 });
  if (!joins) return telling.toldFrom();
  telling.signIn();
  return telling.toldUntil();
};

const buy = (telling: Telling, planned: PlannedOrder): Call[] => {
  const { random, setting } = telling;
  const order = orderOf(setting.seed, setting.catalogue, planned);
  const cart = { cart_id: planned.orderId.replace("order", "cart") };
  telling.page("Home", "/");
  if (random.chance(0.5)) listViewed(telling, order.lines[0]!.product);
  for (const line of order.lines) {
    telling.track("Product Viewed", viewFields(telling, line.product));
    telling.track("Product Added", { ...cart, ...lineFields(telling, line) });
  }
  if (random.chance(0.1)) {
    const second = { ...cart, ...productFields(telling, telling.product()), quantity: 1 };
    telling.track("Product Added", second);
    telling.track("Product Removed", second);
  }
  if (random.chance(0.25)) telling.track("Cart Viewed", { ...cart, products: linesFields(telling, order.lines) });
  telling.signIn();
  const fields = orderFields(telling, planned, order);
  telling.track("Checkout Started", fields);
  telling.trackByServer("Order Completed", fields);
  return telling.toldUntil();
};

const engage = (telling: Telling): Call[] => {
  const { platform, handle } = telling.person;
  const { random } = telling;
  telling.trackByServer(
    "Social Engaged",
    {
      platform,
      post_id: `${platform}-shop-${random.integer(1, 400)}`,
      author: handle,
      engagement: random.pick(["like", "like", "like", "share", "reply"]),
    },
    "shop-social",
  );
  return telling.toldFrom();
};

const afterwards = (telling: Telling, type: Consequence, planned: PlannedOrder): Call[] => {
  const { random, setting } = telling;
  const order = orderOf(setting.seed, setting.catalogue, planned);
  const { product } = order.lines[0]!;
  const fields = orderFields(telling, planned, order);
  switch (type) {
    case "change":
      telling.trackByServer("Order Updated", orderFields(telling, planned, changedOrder(random, order)));
      break;
    case "cancel":
      telling.trackByServer("Order Cancelled", fields);
      break;
    case "refund":
      refund(telling, planned, order);
      break;
    case "review":
      telling.track("Product Reviewed", {
        product_id: product.productId,
        review_id: planned.orderId.replace("order", "review"),
        review_body: reviewText(random, !planned.bad),
        rating: planned.bad ? random.integer(1, 2) : random.pick([3, 4, 4, 5, 5, 5]),
      });
      break;
    case "complaint":
      mention(telling, planned, complaintText(random, product.name), "negative");
      break;
    case "praise":
      mention(telling, planned, praiseText(random, product.name), "positive");
      break;
  }
  return telling.toldFrom();
};

/**
 * One line of several comes back, or everything; of the latter some are told without an amount, as shops do. Amounts
 * are goods after discount, without tax and shipping, as is the value of an order.
 */
const refund = (telling: Telling, planned: PlannedOrder, order: Order): void => {
  const { random } = telling;
  const partial = order.lines.length > 1 && random.chance(planned.bad ? 0.4 : 0.75);
  const lines = partial ? [random.pick(order.lines)] : order.lines;
  const listMinor = lines.reduce((sum, line) => sum + line.quantity * line.product.priceMinor, 0);
  const paidMinor = Math.round(listMinor * (1 - order.discountMinor / order.goodsMinor));
  const amount =
    partial || random.chance(0.8) ? { total: telling.major(paidMinor), products: linesFields(telling, lines) } : {};
  telling.trackByServer("Order Refunded", {
    order_id: planned.orderId,
    refund_id: planned.orderId.replace("order", "refund"),
    currency: telling.setting.currency,
    ...amount,
  });
};

/** Seven of ten who post are known to the shop by their handle. */
const mention = (telling: Telling, planned: PlannedOrder, text: string, sentiment: string): void => {
  const { random, person } = telling;
  const properties = {
    platform: person.platform,
    post_id: planned.orderId.replace("order", `${person.platform}-${sentiment}`),
    author: person.handle,
    text,
    language: "en",
    sentiment,
    likes: random.poisson(3),
    shares: random.poisson(0.5),
    replies: random.poisson(1),
  };
  if (random.chance(0.7)) telling.trackByServer("Social Mentioned", properties, "shop-social");
  else telling.trackOutsider("Social Mentioned", properties, person.handle);
};
