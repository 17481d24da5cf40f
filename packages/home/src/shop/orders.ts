/** What is in an order. It is drawn from a stream of its own, so that a refund weeks later finds the same basket. */
import type { Catalogue, Product } from "./catalogue.ts";
import type { PlannedOrder } from "./process.ts";
import { Random } from "./random.ts";

export interface BasketLine {
  readonly product: Product;
  readonly quantity: number;
}

export interface Order {
  readonly lines: readonly BasketLine[];
  readonly coupon?: string;
  readonly goodsMinor: number;
  readonly discountMinor: number;
  readonly shippingMinor: number;
  readonly taxMinor: number;
  /** goods − discount + shipping + tax. */
  readonly totalMinor: number;
}

const MOST_LINES = 6;
const FREE_SHIPPING_FROM_MINOR = 5_000;
const SHIPPING_MINOR = 490;
const TAX_RATE = 0.2;

/** The goods come as near to what the customer means to spend as prices let them. */
export const orderOf = (seed: number, catalogue: Catalogue, order: PlannedOrder): Order => {
  const random = new Random(seed, "basket", order.orderId);
  const count = Math.min(MOST_LINES, 1 + random.poisson(0.9));
  const byProduct = new Map<Product, number>();
  let leftMinor = order.goodsMinor;
  for (let line = 0; line < count; line++) {
    const shareMinor = leftMinor / (count - line);
    if (shareMinor < 200 && line > 0) break;
    const product = catalogue.drawNear(random, order.atMs, Math.max(shareMinor, 200));
    const quantity = Math.min(24, Math.max(1, Math.round(shareMinor / product.priceMinor)));
    byProduct.set(product, (byProduct.get(product) ?? 0) + quantity);
    leftMinor -= quantity * product.priceMinor;
  }
  const lines = [...byProduct].map(([product, quantity]) => ({ product, quantity }));
  const coupon = couponOf(random, order);
  return { lines, ...(coupon === undefined ? {} : { coupon: coupon.code }), ...sums(lines, coupon?.rate ?? 0) };
};

/** The same order after a line was taken out or one piece was added: what `Order Updated` states. */
export const changedOrder = (random: Random, order: Order): Order => {
  const rate = order.discountMinor / order.goodsMinor;
  const lines =
    order.lines.length > 1 && random.chance(0.5)
      ? order.lines.slice(0, -1)
      : order.lines.map((line, index) => (index === 0 ? { ...line, quantity: line.quantity + 1 } : line));
  return { ...order, lines, ...sums(lines, rate) };
};

const sums = (lines: readonly BasketLine[], discountRate: number) => {
  const goodsMinor = lines.reduce((sum, line) => sum + line.quantity * line.product.priceMinor, 0);
  const discountMinor = Math.round(goodsMinor * discountRate);
  const paidMinor = goodsMinor - discountMinor;
  const shippingMinor = paidMinor >= FREE_SHIPPING_FROM_MINOR ? 0 : SHIPPING_MINOR;
  const taxMinor = Math.round((paidMinor + shippingMinor) * TAX_RATE);
  return { goodsMinor, discountMinor, shippingMinor, taxMinor, totalMinor: paidMinor + shippingMinor + taxMinor };
};

const couponOf = (random: Random, order: PlannedOrder): { code: string; rate: number } | undefined => {
  const november = new Date(order.atMs).getUTCMonth() === 10;
  if (order.comeback && random.chance(0.5)) return { code: "COMEBACK15", rate: 0.15 };
  if (order.orderId.endsWith("-001") && random.chance(0.3)) return { code: "WELCOME10", rate: 0.1 };
  return november && random.chance(0.25) ? { code: "NOVEMBER20", rate: 0.2 } : undefined;
};
