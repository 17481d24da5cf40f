/** One customer of a store against plain arithmetic over the events that made it. */
import assert from "node:assert/strict";
import { inspect, isDeepStrictEqual } from "node:util";
import { aggregateOf } from "@ebb/core/customers";
import type { CustomerKey } from "@ebb/core/ids";
import type { OrderEvent } from "@ebb/core/orders";
import type { CustomerStore } from "@ebb/ports";
import { type PlainRfm, plainRfm } from "./plain-rfm.ts";

const said = ({ orders, grossMinor, refundMinor }: Omit<PlainRfm, "months">): string =>
  `${orders} orders, gross ${grossMinor}, refunds ${refundMinor}`;

/**
 * @param events of every customer
 * @throws AssertionError whose first line tells what the customer has and what it should have
 */
export const checkCustomer = async (
  customers: Pick<CustomerStore, "read" | "orders">,
  key: CustomerKey,
  events: readonly OrderEvent[],
): Promise<void> => {
  const expected = plainRfm(events.filter((event) => event.customer_key === key));
  const state = (await customers.read([{ customerKey: key, orderKeys: [] }])).get(key)?.customer;
  assert.ok(state !== undefined, `${key} is not in the customer store`);
  const { customerKey: _key, version, ...rest } = state;
  const stored = { firstOrderAtMs: undefined, lastOrderAtMs: undefined, ...rest };
  const same = (what: string, actual: typeof stored, wanted: typeof expected): void => {
    if (isDeepStrictEqual(actual, wanted)) return;
    const both = [actual, wanted].map((each) => inspect(each, { depth: 9, sorted: true })).join("\n");
    assert.fail(`${key} has ${said(actual)}; ${what} make ${said(wanted)}\n${both}`);
  };
  same("its events", stored, expected);
  // Replay: the aggregate is what its stored orders add up to.
  const { customerKey: _own, version: _version, ...sums } = aggregateOf(key, await customers.orders(key), version);
  same("its stored orders", stored, { firstOrderAtMs: undefined, lastOrderAtMs: undefined, ...sums });
};
