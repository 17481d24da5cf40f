/**
 * The newest orders of a customer as one text beside its aggregate, so that an order of a usual customer is read and
 * written with the customer's own row. One line an order, `\n"key",[…]`: JSON escapes line breaks, so that a line break
 * and a key in quotes are found nowhere but where an order begins, and one order is found without reading the others.
 */
import type { OrderKey, OrderRecord } from "@ebb/core/orders";
import { decodeOrder, encodeOrder } from "../customer-codec.ts";

/** No orders. */
export const NO_ORDERS = "";

const lineStart = (key: OrderKey): string => `\n${JSON.stringify(key)},`;

/** Where an order's line begins and ends; `undefined` when it is not there. */
const find = (recent: string, start: string): { readonly from: number; readonly to: number } | undefined => {
  const from = recent.indexOf(start);
  if (from < 0) return undefined;
  const end = recent.indexOf("\n", from + start.length);
  return { from, to: end < 0 ? recent.length : end };
};

export const findRecent = (recent: string, key: OrderKey): OrderRecord | undefined => {
  const start = lineStart(key);
  const line = find(recent, start);
  return line === undefined ? undefined : decodeOrder(key, recent.slice(line.from + start.length, line.to));
};

/** The text with these orders in it, in place of what it held of them. */
export const withOrders = (recent: string, orders: readonly OrderRecord[]): string => {
  let text = recent;
  for (const order of orders) {
    const start = lineStart(order.key);
    const line = text === NO_ORDERS ? undefined : find(text, start);
    if (line !== undefined) text = text.slice(0, line.from) + text.slice(line.to);
    text += start + encodeOrder(order);
  }
  return text;
};

/** A JSON string at the start of a line. */
const quotedText = /^"(?:[^"\\]|\\.)*"/;

/** Every order of the text: its key, and its record as `encodeOrder` wrote it. */
export function* recentOrders(recent: string): Generator<readonly [key: OrderKey, encoded: string]> {
  for (const line of recent.split("\n")) {
    if (line === "") continue;
    const keyEnd = quotedText.exec(line)![0].length;
    yield [JSON.parse(line.slice(0, keyEnd)) as OrderKey, line.slice(keyEnd + 1)];
  }
}
