/** The state of orders as it was known at an instant: the CTEs that features, labels, RFM and marts begin with. */
import type { Dialect } from "../dialect.ts";
import { orderEffectsSql } from "../tables/order-effects.ts";
import { orderStateSql } from "../tables/order-state.ts";

export interface AsOf {
  /**
   * A condition on the rows of `curated_order_events` that are known, such as `occurred_at < TIMESTAMP '…'`. A later
   * version, refund or cancellation of an earlier order is an event of its own and is not known before it occurred.
   */
  readonly known: string;
  /** Columns of an order that its effect carries besides the rules' own: name and type of `curated_order_events`. */
  readonly carried?: readonly string[];
}

const stateColumns = [
  ...["customer_key", "order_key", "entry", "reporting_minor", "full_refund", "cancelled", "occurred_at"],
] as const;

/** `order_effects` of known customers as a CTE, without the word WITH. Nearly every order has one event: those are read off it. */
export const orderEffectsAsOf = (m: Dialect, { known, carried = [] }: AsOf): string => {
  const states = (orders: "repeated" | "single"): string =>
    orderStateSql(m, {
      from: "curated_order_events",
      where: `customer_key IS NOT NULL AND ${known}`,
      columns: [...stateColumns, ...carried],
      orders,
    });
  const ofOrder = Object.fromEntries(
    carried.map((column) => [column, ["max", `CASE WHEN entry = 'order' THEN ${column} END`] as const]),
  );
  return `
repeated_states AS (${states("repeated")}
),
single_states AS (${states("single")}
),
order_effects AS (
  SELECT * FROM (${orderEffectsSql("repeated_states", { carried: ofOrder })}
  ) AS repeated_effects
  UNION ALL
  SELECT * FROM (${orderEffectsSql("single_states", { carried: ofOrder, single: true })}
  ) AS single_effects
)`;
};
