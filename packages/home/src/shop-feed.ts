/** Brings the made shop in through the front door, as a shop's own backend would, and goes on where it stopped. */
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { readJsonFile, writePrivateJson } from "@ebb/ports/embedded/private-file";
import type { ProgressBar } from "./progress-bar.ts";
import { type ShopOptions, type ShopPlan, makeShop, shopPlan } from "./shop/shop.ts";

/** What shop a folder holds. It is made once: the same numbers give the same events, message ids included. */
const StoredShop = z.union([
  z.object({ shop: z.literal("none") }),
  z.object({
    shop: z.literal("made"),
    seed: z.int(),
    customers: z.int().positive(),
    startMs: z.int(),
    endMs: z.int(),
    currency: z.string(),
    /** Batches that are in; what comes after is posted again, which is safe. */
    batchesIn: z.int().nonnegative(),
    complete: z.boolean(),
  }),
]);
export type StoredShop = z.infer<typeof StoredShop>;
export type MadeShop = Extract<StoredShop, { shop: "made" }>;

const shopFile = (folder: string): string => path.join(folder, "shop.json");

export const readShop = (folder: string): StoredShop | undefined => {
  const stored = readJsonFile(shopFile(folder));
  return stored === undefined ? undefined : StoredShop.parse(stored);
};
export const writeShop = (folder: string, shop: StoredShop): void => writePrivateJson(shopFile(folder), shop);

export interface Fed {
  readonly events: number;
  readonly complete: boolean;
}

/** Requests under way at once: enough to keep the home busy, few enough to be cut short quickly. */
const AT_ONCE = 4;
const SAVE_EVERY_MS = 1_000;

const optionsOf = (shop: MadeShop): ShopOptions => ({
  seed: shop.seed,
  customers: shop.customers,
  startMs: shop.startMs,
  endMs: shop.endMs,
  currency: shop.currency,
});

export const planOf = (shop: MadeShop): ShopPlan => shopPlan(optionsOf(shop));

/** Posts what is not yet in, until done or `signal`. @throws Error when the home refuses a batch */
export const feedShop = async (
  folder: string,
  shop: MadeShop,
  home: { readonly url: string; readonly writeKey: string },
  bar: ProgressBar,
  signal: AbortSignal,
): Promise<Fed> => {
  const batches = makeShop(optionsOf(shop));
  for (let skipped = 0; skipped < shop.batchesIn; skipped++) batches.next();
  const inOrder = new Set<number>();
  let batchesIn = shop.batchesIn;
  let events = 0;
  let next = shop.batchesIn;
  let savedMs = performance.now();

  const lane = async (): Promise<void> => {
    while (!signal.aborted) {
      const number = next;
      const batch = batches.next();
      if (batch.done === true) return;
      next++;
      if (!(await post(home, batch.value.calls, signal))) return;
      events += batch.value.calls.length;
      bar.update(events, batch.value.done);
      inOrder.add(number);
      while (inOrder.delete(batchesIn)) batchesIn++;
      if (performance.now() - savedMs < SAVE_EVERY_MS) continue;
      savedMs = performance.now();
      writeShop(folder, { ...shop, batchesIn });
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
  } finally {
    writeShop(folder, { ...shop, batchesIn });
  }
  const complete = !signal.aborted;
  if (complete) writeShop(folder, { ...shop, batchesIn, complete });
  return { events, complete };
};

const Answer = z.object({ quarantined: z.number(), errors: z.array(z.unknown()) });

/** False when it was stopped. */
const post = async (
  home: { readonly url: string; readonly writeKey: string },
  calls: readonly unknown[],
  signal: AbortSignal,
): Promise<boolean> => {
  const body = JSON.stringify({ batch: calls });
  while (!signal.aborted) {
    const response = await fetch(`${home.url}/v1/batch`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-write-key": home.writeKey },
      body,
    });
    const text = await response.text();
    if (response.ok) {
      const { quarantined, errors } = Answer.parse(JSON.parse(text));
      if (quarantined > 0)
        throw new Error(`the home refused ${quarantined} events of its own shop: ${JSON.stringify(errors[0])}`);
      return true;
    }
    if (response.status !== 503)
      throw new Error(`the home answered ${response.status} to its own shop: ${text.slice(0, 300)}`);
    await delay(Number(response.headers.get("retry-after") ?? 1) * 1000, undefined, { signal }).catch(() => undefined);
  }
  return false;
};
