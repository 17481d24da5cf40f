/** One load of a source at a time. */
import type { Ports } from "@ebb/ports";
import type { SourceStore } from "@ebb/ports/source-ports";

const LEASE_MS = 300_000;
const RENEW_MS = 60_000;

/** Another load of the same source is under way. */
export class SourceBusy extends Error {
  override readonly name = "SourceBusy";
}

type LeasePorts = Pick<Ports, "now"> & { readonly sources: SourceStore };

export class LoadLease {
  readonly #ports: LeasePorts;
  readonly #name: string;
  readonly #owner: string;
  #renewedAtMs: number;

  /** @throws SourceBusy */
  static async take(ports: LeasePorts, name: string, owner: string): Promise<LoadLease> {
    const nowMs = ports.now();
    if (!(await ports.sources.lease(name, owner, LEASE_MS, nowMs)))
      throw new SourceBusy(`another load of ${name} is under way`);
    return new LoadLease(ports, name, owner, nowMs);
  }

  private constructor(ports: LeasePorts, name: string, owner: string, nowMs: number) {
    this.#ports = ports;
    this.#name = name;
    this.#owner = owner;
    this.#renewedAtMs = nowMs;
  }

  /** @throws SourceBusy when it ran out and somebody else took it */
  async keep(): Promise<void> {
    const nowMs = this.#ports.now();
    if (nowMs - this.#renewedAtMs < RENEW_MS) return;
    if (!(await this.#ports.sources.lease(this.#name, this.#owner, LEASE_MS, nowMs)))
      throw new SourceBusy(`another load of ${this.#name} has taken over`);
    this.#renewedAtMs = nowMs;
  }

  /** Keeps it while something takes long that has no step of its own. Who finds it lost does the same again, safely. */
  async during<Result>(work: () => Promise<Result>): Promise<Result> {
    const timer = setInterval(() => void this.keep().catch(() => undefined), RENEW_MS / 2);
    try {
      return await work();
    } finally {
      clearInterval(timer);
    }
  }

  async release(): Promise<void> {
    await this.#ports.sources.lease(this.#name, this.#owner, 0, this.#ports.now());
  }
}
