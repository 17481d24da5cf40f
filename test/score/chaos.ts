/** A customer store on which everything goes wrong that may go wrong, by seed. */
import type { CustomerKey } from "@ebb/core/ids";
import { type CustomerStore, type CustomerWrite, TransientError } from "@ebb/ports";
import type { Random } from "./random.ts";

/** The process dies at this await: nothing after it runs, what was written before it stays. */
export class Crash extends Error {
  override readonly name = "Crash";
}

export interface Chaos {
  /** Of each kind of fault at each call. 0 lets a schedule end. */
  probability: number;
}

/**
 * @param rival what another writer of the same customers does between a reading and a write
 */
export const chaoticStore = (
  store: CustomerStore,
  random: Random,
  chaos: Chaos,
  rival: (customers: readonly CustomerKey[]) => Promise<void>,
): CustomerStore => {
  const strike = () => random.chance(chaos.probability);
  const fault = (): void => {
    if (strike()) throw new Crash("the process died");
    if (strike()) throw new TransientError("throttled");
  };
  /** Faults before the call, when nothing has happened, and after it, when only the answer is lost. */
  const around = async <T>(call: () => Promise<T>): Promise<T> => {
    fault();
    const answer = await call();
    fault();
    return answer;
  };
  return {
    read: (requests) => around(() => store.read(requests)),
    orders: (key) => around(() => store.orders(key)),
    write: (writes) =>
      around(async () => {
        if (strike()) await rival(writes.map((write) => write.customer.customerKey));
        const throttled = new Set(writes.filter(strike));
        const lostAnswers = new Set(writes.filter(strike));
        const outcomes = new Map<CustomerKey, "written" | "conflict" | "failed">();
        for (const [key, outcome] of await store.write(writes.filter((write) => !throttled.has(write))))
          outcomes.set(key, outcome);
        const failed = (write: CustomerWrite) => outcomes.set(write.customer.customerKey, "failed");
        throttled.forEach(failed);
        lostAnswers.forEach(failed);
        return outcomes;
      }),
    cutPoints: () => store.cutPoints(),
    publishCutPoints: (cuts) => store.publishCutPoints(cuts),
    scan: () => store.scan(),
  };
};
