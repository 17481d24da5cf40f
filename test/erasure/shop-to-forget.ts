/** A home with orders, visits, files and refused rows of known people. */
import assert from "node:assert/strict";
import { Pseudonymizer } from "@ebb/core/ids";
import type { Home } from "@ebb/home/home";
import { openSecrets } from "@ebb/ports/embedded/configuration";
import { EmbeddedKeyRing } from "@ebb/ports/embedded/key-ring";
import { createKey } from "@ebb/ports/stored-keys";

/** How to reach a home, whether it runs in this process or in one of its own. */
export type Reached = Pick<Home, "url" | "writeKey" | "readKey">;

/** A key that may erase and export; made in the folder that the home has open. */
export const trustKey = async (folder: string): Promise<string> => {
  const wanted = { scopes: ["erase", "export"] as const, source: "shop", label: "of the test" };
  return (await createKey(new EmbeddedKeyRing(folder), wanted, Date.now())).key;
};

export const call = async (
  home: Pick<Reached, "url">,
  key: string,
  method: string,
  address: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> => {
  const response = await fetch(home.url + address, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>) };
};

export const orderOf = (userId: string, id: string, revenue: number, more: object = {}) => ({
  type: "track",
  event: "Order Completed",
  userId,
  messageId: `order-${id}`,
  timestamp: "2026-03-01T10:00:00Z",
  properties: {
    order_id: id,
    revenue,
    currency: "EUR",
    products: [{ product_id: "tea", price: revenue, quantity: 1 }],
  },
  ...more,
});

/** What a person may be found by: the producer's id, and the keys made of the ids. */
export const tracesOf = (folder: string, customerIds: readonly string[], anonymousIds: readonly string[]): string[] => {
  const pseudonyms = new Pseudonymizer(openSecrets(folder).customerSecret);
  return [
    ...customerIds.flatMap((id) => [id, pseudonyms.customer(id).slice(4)]),
    ...anonymousIds.flatMap((id) => [id, pseudonyms.anonymous(id).slice(4)]),
  ];
};

/** Waits for an erasure and answers what stands in its receipt by store. */
export const erased = async (
  home: Reached,
  key: string,
  erasureId: string,
): Promise<Map<string, { count: number; objects?: number }>> => {
  for (;;) {
    const { body } = await call(home, key, "GET", `/v1/erasures/${erasureId}`);
    if (body["state"] === "done") {
      const { removed } = body["receipt"] as { removed: { store: string; count: number; objects?: number }[] };
      return new Map(removed.map(({ store, ...rest }) => [store, rest]));
    }
    assert.ok(["requested", "running"].includes(String(body["state"])), JSON.stringify(body));
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
};
