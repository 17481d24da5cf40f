/** Read units of a table that a load may use: never more in the long run than its rate. */
import { setTimeout as delay } from "node:timers/promises";

export interface Clock {
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
}

export const systemClock: Clock = { now: () => performance.now(), sleep: (ms) => delay(ms) };

export class UnitBudget {
  readonly #perSecond: number;
  readonly #clock: Clock;
  /** When what was used is paid for. */
  #freeAtMs = -Infinity;

  constructor(perSecond: number, clock: Clock = systemClock) {
    this.#perSecond = perSecond;
    this.#clock = clock;
  }

  /** Waits until the requests before are paid for. */
  async wait(): Promise<void> {
    for (;;) {
      const left = this.#freeAtMs - this.#clock.now();
      if (left <= 0) return;
      await this.#clock.sleep(left);
    }
  }

  /** A request is told to have used so many units. */
  used(units: number): void {
    this.#freeAtMs = Math.max(this.#freeAtMs, this.#clock.now()) + (units / this.#perSecond) * 1_000;
  }
}
