/** Request bodies for the benchmarks: orders of ten lines in batches of a hundred, the same for a given seed. */
import { Random } from "../../packages/home/src/shop/random.ts";

export const LINES = 10;
export const BATCH = 100;

export interface OrdersOptions {
  readonly orders: number;
  readonly customers: number;
  /** Part of every id, so that one run's orders are new to a home that saw another's. */
  readonly run: string;
  readonly batch?: number;
}

/** One order as an SDK sends it, about 1.3 KB. Customers are drawn evenly. */
export const orderCall = (random: Random, run: string, number: number, customerId: string): object => {
  const products = Array.from({ length: LINES }, (_, line) => {
    const product = random.integer(1, 2_000);
    return {
      product_id: `P${product}`,
      name: `Product number ${product}`,
      category: `Category ${product % 12}`,
      price: (199 + ((product * 37) % 9_000)) / 100,
      quantity: 1 + (line % 3),
    };
  });
  const cents = products.reduce((sum, product) => sum + Math.round(product.price * 100) * product.quantity, 0);
  return {
    type: "track",
    event: "Order Completed",
    messageId: `${run}-${number}`,
    userId: customerId,
    timestamp: new Date(Date.UTC(2025, 0, 1) + number * 1_000).toISOString(),
    properties: { order_id: `${run}-${number}`, subtotal: cents / 100, currency: "USD", products },
  };
};

/** Bodies of `POST /v1/batch`, as the bytes that travel. */
export const orderBodies = ({ orders, customers, run, batch = BATCH }: OrdersOptions): Buffer[] => {
  const random = new Random("bench", run);
  const bodies: Buffer[] = [];
  for (let first = 0; first < orders; first += batch) {
    const calls = Array.from({ length: Math.min(batch, orders - first) }, (_, index) =>
      orderCall(random, run, first + index, `customer-${random.integer(1, customers)}`),
    );
    bodies.push(Buffer.from(JSON.stringify({ batch: calls })));
  }
  return bodies;
};
