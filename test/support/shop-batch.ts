/** Enough of a shop for a model to be fitted, so that every page of the API has something to say. */
import { DAY_MS } from "@ebb/core/time";

/** 400 orders of 83 customers, `u-0` to `u-82`, over 200 days: the body of `POST /v1/batch`. */
export const shopBatch = (): string => {
  const start = Date.UTC(2026, 0, 1);
  const batch = Array.from({ length: 400 }, (_, at) => ({
    type: "track",
    event: "Order Completed",
    messageId: `m-${at}`,
    userId: `u-${(at * 7) % 83}`,
    timestamp: new Date(start + ((at * 37) % 200) * DAY_MS).toISOString(),
    properties: {
      order_id: `o-${at}`,
      total: 10 + (at % 17),
      currency: "EUR",
      products: [{ product_id: `p-${at % 9}`, name: `Kettle ${at % 9}`, price: 10 + (at % 17), quantity: 1 }],
    },
  }));
  return JSON.stringify({ batch });
};
