/**
 * Ports that fail by plan: the process dies at a call, or the call is refused, before its effect or after it. Every await
 * of a handler is a call of a port, so that to die at the n-th call, for every n, is to die at every await.
 */
import { TransientError } from "@ebb/ports";
import { Crash } from "../score/chaos.ts";

export type Mishap = "dies before" | "dies after" | "refused before" | "refused after";

/** Whether anything goes wrong at a call. @param call number of the call in the schedule, from 0 */
export type Plan = (call: number, name: string) => Mishap | undefined;

export class FalliblePorts {
  readonly #plan: Plan;
  readonly #onMishap: (mishap: Mishap) => void;
  #calls = 0;
  #dead = false;

  constructor(plan: Plan, onMishap: (mishap: Mishap) => void) {
    this.#plan = plan;
    this.#onMishap = onMishap;
  }

  /** Calls of all ports so far. */
  get calls(): number {
    return this.#calls;
  }

  /** The process has died: nothing that it calls happens any more. */
  get dead(): boolean {
    return this.#dead;
  }

  /** Another process, with the same ports. */
  restart(): void {
    this.#dead = false;
  }

  wrap<T extends object>(name: string, port: T): T {
    return new Proxy(port, {
      get: (target, method) => {
        const value: unknown = Reflect.get(target, method, target);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) =>
          this.#call(`${name}.${String(method)}`, () => Reflect.apply(value, target, args) as Promise<unknown>);
      },
    });
  }

  async #call(name: string, effect: () => Promise<unknown>): Promise<unknown> {
    this.#unlessDead();
    const mishap = this.#plan(this.#calls++, name);
    if (mishap !== undefined) this.#onMishap(mishap);
    if (mishap === "dies before") this.#die();
    if (mishap === "refused before") throw new TransientError("throttled");
    const answer = await effect();
    this.#unlessDead();
    if (mishap === "dies after") this.#die();
    if (mishap === "refused after") throw new TransientError("timed out");
    return answer;
  }

  #unlessDead(): void {
    if (this.#dead) throw new Crash("the process is dead");
  }

  #die(): never {
    this.#dead = true;
    throw new Crash("the process died");
  }
}
