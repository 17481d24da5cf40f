/** Producers that send orders to a home until they are told to stop, and remember what was acknowledged. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

export interface Acknowledged {
  readonly receiptId: string;
  readonly orderIds: readonly string[];
  /** Order of the answers. */
  readonly at: number;
}

export interface Load {
  /** What was answered 200 so far. */
  readonly acknowledged: readonly Acknowledged[];
  /** Answers of 503 so far. */
  readonly refused: () => number;
  stop(): Promise<void>;
}

interface Target {
  readonly url: string;
  readonly writeKey: string;
}

export const orderEvent = (orderId: string, customer: string, minor: number): unknown => ({
  type: "track",
  event: "Order Completed",
  messageId: `m-${orderId}`,
  userId: customer,
  timestamp: "2026-03-04T05:06:07.000Z",
  properties: { order_id: orderId, total: minor / 100, currency: "EUR" },
});

export const postBatch = (to: Target, batch: readonly unknown[]): Promise<Response> =>
  fetch(`${to.url}/v1/batch`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-write-key": to.writeKey },
    body: JSON.stringify({ batch }),
  });

/** Every fifth batch has an event that is refused. On 503, or a connection that is cut, the same batch is sent again. */
export const startLoad = (
  to: Target,
  { lanes = 2, batch = 10, customers = 20, name = "o", pauseMs = 0 } = {},
): Load => {
  const acknowledged: Acknowledged[] = [];
  let refused = 0;
  let next = 0;
  let stopped = false;
  const lane = async (): Promise<void> => {
    while (!stopped) {
      const number = next++;
      const orderIds = Array.from({ length: batch }, (_, index) => `${name}-${number}-${index}`);
      const events = orderIds.map((id, index) =>
        orderEvent(id, `c${(number + index) % customers}`, 100 + (number % 97)),
      );
      if (number % 5 === 0)
        events.push({ type: "track", event: "Order Completed", messageId: `bad-${name}-${number}`, userId: "c0" });
      for (;;) {
        const response = await postBatch(to, events).catch(() => undefined);
        if (response?.status === 200) {
          const { receipt_id: receiptId } = (await response.json()) as { receipt_id: string };
          acknowledged.push({ receiptId, orderIds, at: acknowledged.length });
          break;
        }
        if (response !== undefined) {
          assert.equal(response.status, 503, await response.text());
          assert.ok(Number(response.headers.get("retry-after")) > 0);
          refused++;
        }
        if (stopped) return;
        await delay(50);
      }
      if (pauseMs > 0) await delay(pauseMs);
    }
  };
  const lanesRunning = Promise.all(Array.from({ length: lanes }, lane));
  lanesRunning.catch(() => undefined); // told by stop
  return {
    acknowledged,
    refused: () => refused,
    stop: async () => {
      stopped = true;
      await lanesRunning;
    },
  };
};
