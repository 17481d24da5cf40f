/** Orders and refunds: their value in minor units by a stated precedence, their lines, their version. */
import type { Draft } from "./canonical.ts";
import { limits } from "./limits.ts";
import { type RateTable, convertMinor, currencyDigits, lineMinor, rateAt, toMinor } from "./money.ts";
import { ORDER_RANK } from "./orders.ts";
import type { Refusal } from "./reasons.ts";
import type { StreamLine } from "./stream-event.ts";
import { orderKeys } from "./wire/orders.ts";
import type { OrderProperties, RefundProperties } from "./wire/orders.ts";
import { type Product, productKeys } from "./wire/products.ts";
import { amountOf, numberOf, textOf } from "./wire/values.ts";

type Properties = Readonly<Record<string, unknown>>;

/** Of two states at one instant a cancellation outranks an update, and that the first one. */
const STATE = { order_completed: 0, order_updated: 1, order_cancelled: 2, order_refunded: 3 } as const;

/** Orders the states of one order: by when they happened, then by kind. A safe integer until the year 70,000. */
export const orderVersionOf = (kind: keyof typeof STATE, occurredAtMs: number): number =>
  occurredAtMs * 4 + STATE[kind];

const refusal = (code: Refusal["code"], name: string | undefined, message: string): Refusal => ({
  code,
  ...(name === undefined ? {} : { field: `properties.${name}` }),
  message,
});

/** Ends the mapping of an order with its reason, from however deep in its lines. */
class Refused extends Error {
  override readonly name = "Refused";
  readonly refusal: Refusal;
  constructor(reason: Refusal) {
    super(reason.code);
    this.refusal = reason;
  }
}

/** What is above 2^53 minor units is nobody's order. */
const outOfRange = (field: string): Refused =>
  new Refused(refusal("amount_out_of_range", field, `${field} is too large to be counted exactly.`));

/** Fills in an order's whole state. Returns how many fields are left out. */
export const addOrder = (draft: Draft, input: Properties, atMs: number, rates: RateTable): number | Refusal => {
  const order = input as OrderProperties;
  return guarded(() => {
    const digits = addMoney(draft, order, rates);
    if (typeof digits !== "number") return digits;
    const [lines, dropped] = linesOf(order.products, digits, 1);
    const value = orderMinor(draft, order, lines, digits);
    if (value === undefined && draft.kind !== "order_cancelled")
      return refusal(
        "missing_field",
        "revenue",
        "An order needs a value: revenue, subtotal, total or products with prices.",
      );
    if (value !== undefined && value < 0)
      return refusal("amount_out_of_range", "revenue", "The order's value comes out below zero.");
    addIdentity(draft, input, atMs);
    return (value === undefined ? undefined : addValue(draft, value, atMs, rates)) ?? addLines(draft, lines, dropped);
  }, input);
};

/** Fills in a refund. Lines are what came back: their quantities are below zero. */
export const addRefund = (draft: Draft, input: Properties, atMs: number, rates: RateTable): number | Refusal => {
  const refund = input as RefundProperties;
  return guarded(() => {
    const digits = addMoney(draft, refund, rates);
    if (typeof digits !== "number") return digits;
    const [lines, dropped] = linesOf(refund.products, digits, -1);
    const said = minorOf(refund.total, digits, "total") ?? minorOf(refund.revenue, digits, "revenue");
    const value = said ?? sumOf(lines, refund.products);
    if (value === undefined && lines !== undefined)
      return refusal("missing_field", "total", "A refund of some products needs its total, or their prices.");
    addIdentity(draft, input, atMs);
    draft.refund_id = textOf(refund.refund_id, 256) ?? draft.event_id;
    if (value === undefined) draft.full_refund = true;
    if (value === undefined && draft.order_id === undefined)
      return refusal("missing_field", "total", "A refund that names no order needs its total.");
    return (
      (value === undefined ? undefined : addValue(draft, Math.abs(value), atMs, rates)) ??
      addLines(draft, lines, dropped)
    );
  }, input);
};

/** Runs a mapping; an amount that does not fit becomes a refusal. Adds the fields of the order that are left out. */
const guarded = (map: () => number | Refusal, input: Properties): number | Refusal => {
  try {
    const outcome = map();
    if (typeof outcome !== "number") return outcome;
    let others = 0;
    for (const key in input) if (!orderKeys.has(key)) others++;
    return outcome + others;
  } catch (error) {
    if (error instanceof Refused) return error.refusal;
    throw error;
  }
};

const addIdentity = (draft: Draft, input: Properties, atMs: number): void => {
  const orderId = textOf(input["order_id"], 256);
  if (orderId !== undefined) draft.order_id = orderId;
  draft.order_rank = ORDER_RANK.http;
  draft.order_version = orderVersionOf(draft.kind as keyof typeof STATE, atMs);
  const coupon = textOf(input["coupon"], 256);
  if (coupon !== undefined) draft.coupon = coupon;
  const country = textOf(input["country"], 64);
  if (country !== undefined) draft.country = country;
};

/** Currency and the amounts beside the value. Returns the currency's decimals. */
const addMoney = (draft: Draft, order: OrderProperties | RefundProperties, rates: RateTable): number | Refusal => {
  const currency = order.currency ? order.currency.trim().toUpperCase() : rates.reportingCurrency;
  const digits = currencyDigits(currency);
  if (digits === undefined)
    return refusal("unknown_currency", "currency", "currency must be an ISO 4217 code such as EUR.");
  draft.currency = currency;
  const discount = minorOf(order.discount, digits, "discount");
  if (discount !== undefined) draft.discount_minor = discount;
  const shipping = minorOf(order.shipping, digits, "shipping");
  if (shipping !== undefined) draft.shipping_minor = shipping;
  const tax = minorOf(order.tax, digits, "tax");
  if (tax !== undefined) draft.tax_minor = tax;
  return digits;
};

/** revenue → subtotal → total − shipping − tax → Σ lines − discount, in minor units. */
const orderMinor = (
  draft: Draft,
  order: OrderProperties,
  lines: readonly StreamLine[] | undefined,
  digits: number,
): number | undefined => {
  const stated = minorOf(order.revenue, digits, "revenue") ?? minorOf(order.subtotal, digits, "subtotal");
  if (stated !== undefined) return stated;
  const total = minorOf(order.total, digits, "total");
  if (total !== undefined) return total - (draft.shipping_minor ?? 0) - (draft.tax_minor ?? 0);
  const sum = sumOf(lines, order.products);
  return sum === undefined ? undefined : sum - (draft.discount_minor ?? 0);
};

const addValue = (draft: Draft, totalMinor: number, atMs: number, rates: RateTable): Refusal | undefined => {
  const { reportingCurrency } = rates;
  const currency = draft.currency ?? reportingCurrency;
  draft.total_minor = totalMinor;
  draft.reporting_currency = reportingCurrency;
  if (currency === reportingCurrency) {
    draft.reporting_minor = totalMinor;
    return undefined;
  }
  const rate = rateAt(rates, currency, atMs);
  if (rate === undefined)
    return refusal(
      "no_exchange_rate",
      "currency",
      `No rate from ${currency} to ${reportingCurrency} is set for that day.`,
    );
  const reporting = convertMinor(
    totalMinor,
    rate,
    currencyDigits(currency) ?? 2,
    currencyDigits(reportingCurrency) ?? 2,
  );
  if (reporting === undefined) throw outOfRange("revenue");
  draft.reporting_minor = reporting;
  return undefined;
};

const addLines = (draft: Draft, lines: StreamLine[] | undefined, dropped: number): number => {
  if (lines !== undefined) draft.lines = lines;
  return dropped;
};

/** Lines with `sign` on their quantities, and how many of their fields are left out. No price counts as price 0. */
const linesOf = (
  products: readonly Product[] | null | undefined,
  digits: number,
  sign: 1 | -1,
): [StreamLine[] | undefined, number] => {
  if (products === undefined || products === null || products.length === 0) return [undefined, 0];
  if (products.length > limits.orderLines)
    throw new Refused(refusal("too_large", "products", `An order may have ${limits.orderLines} lines.`));
  let dropped = 0;
  const lines: StreamLine[] = [];
  for (let index = 0; index < products.length; index++) {
    const product = products[index]!;
    for (const key in product) if (!productKeys.has(key)) dropped++;
    const quantity = amountOf(product.quantity) ?? 1;
    const price = amountOf(product.price) ?? 0;
    const totalMinor = lineMinor(quantity, price, digits);
    if (totalMinor === undefined) throw outOfRange(`products[${index}]`);
    const units = Number(quantity);
    // A refund's lines are given back whichever sign its sender writes.
    const flip = sign === -1 && units > 0;
    const line: StreamLine = {
      quantity: flip ? -units : units,
      unit_price: numberOf(product.price) ?? 0,
      total_minor: flip && totalMinor !== 0 ? -totalMinor : totalMinor,
    };
    const productId = textOf(product.product_id, 256);
    if (productId !== undefined) line.product_id = productId;
    const sku = textOf(product.sku, 256);
    if (sku !== undefined) line.sku = sku;
    const name = textOf(product.name, 1024);
    if (name !== undefined) line.name = name;
    const category = textOf(product.category, 512);
    if (category !== undefined) line.category = category;
    const brand = textOf(product.brand, 256);
    if (brand !== undefined) line.brand = brand;
    const variant = textOf(product.variant, 256);
    if (variant !== undefined) line.variant = variant;
    lines.push(line);
  }
  return [lines, dropped];
};

/** Sum of the lines; `undefined` where no product states a price. */
const sumOf = (
  lines: readonly StreamLine[] | undefined,
  products: readonly Product[] | null | undefined,
): number | undefined => {
  if (lines === undefined || !products?.some((product) => amountOf(product.price) !== undefined)) return undefined;
  const sum = lines.reduce((total, line) => total + line.total_minor, 0);
  if (!Number.isSafeInteger(sum)) throw outOfRange("products");
  return sum;
};

const minorOf = (value: number | string | null | undefined, digits: number, field: string): number | undefined => {
  const amount = amountOf(value);
  if (amount === undefined) return undefined;
  const minor = toMinor(typeof amount === "string" ? amount.replace(/^\+/, "") : amount, digits);
  if (minor === undefined) throw outOfRange(field);
  return minor;
};
