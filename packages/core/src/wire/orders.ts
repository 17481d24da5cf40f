/** Order events of the E-commerce Spec v2: whole snapshots of an order, and refunds by their own id. */
import { z } from "zod";
import { common } from "./call.ts";
import { Products } from "./products.ts";
import { amount, anything, currency, optionalId, requiredId, signedAmount, text } from "./values.ts";

const orderFields = {
  order_id: requiredId.meta({ description: "With the source and the customer the identity of the order" }),
  total: amount.meta({ description: "With shipping and tax" }),
  subtotal: amount.meta({ description: "After discounts, before shipping and tax" }),
  revenue: amount.meta({ description: "The order's value: after discounts, without shipping and tax" }),
  shipping: amount,
  tax: amount,
  discount: amount,
  coupon: text,
  currency,
  country: text.meta({ description: "Where the order goes" }),
  products: Products,
  email: anything.meta({ personal: true, description: "Not kept" }),
  phone: anything.meta({ personal: true, description: "Not kept" }),
} as const;

const OrderProperties = z.object(orderFields).meta({ id: "OrderProperties" });
export type OrderProperties = z.infer<typeof OrderProperties>;

const track = <const Event extends string>(event: Event) => ({
  type: z.literal("track"),
  event: z.literal(event),
  ...common,
});

const VALUE =
  "Its value is `revenue`, else `subtotal`, else `total` − `shipping` − `tax`, else the sum of its lines − `discount`.";

export const OrderCompleted = z
  .object({ ...track("Order Completed"), properties: OrderProperties })
  .meta({ description: `An order was placed: its whole state. ${VALUE}` });

export const OrderUpdated = z
  .object({ ...track("Order Updated"), properties: OrderProperties })
  .meta({ description: `An order was changed: its whole new state, with everything that is still in it. ${VALUE}` });

export const OrderCancelled = z
  .object({ ...track("Order Cancelled"), properties: OrderProperties })
  .meta({ description: "An order was called off: it is worth nothing from then on. Amounts are kept for the record." });

const RefundProperties = z.object({
  ...orderFields,
  order_id: optionalId.meta({ description: "The order that is given back; a refund may come before it, or name none" }),
  refund_id: optionalId.meta({ description: "Identity of the refund; the event's id where absent" }),
  total: signedAmount.meta({ description: "What is given back; the sign does not matter" }),
  revenue: signedAmount,
});
export type RefundProperties = z.infer<typeof RefundProperties>;

export const OrderRefunded = z.object({ ...track("Order Refunded"), properties: RefundProperties }).meta({
  description:
    "Money was given back: `total`, else `revenue`, else the sum of the products; without any of them the whole order.",
});

/** Names of an order's kept fields, for counting what is left out. */
export const orderKeys: ReadonlySet<string> = new Set(
  ["order_id", "refund_id", "total", "subtotal", "revenue", "shipping", "tax", "discount", "coupon", "currency"].concat(
    ["country", "products"],
  ),
);
