import type { DatabaseSync } from "node:sqlite";
import { asPortError, inTransaction, isTransient } from "./sqlite.ts";

interface Job<T> {
  readonly work: () => T;
  /** Size in bytes, to bound a transaction. */
  readonly bytes: number;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

export interface CommitHooks {
  /** Runs in the transaction, after its jobs. */
  readonly beforeCommit?: () => void;
  readonly committed?: () => void;
  readonly rolledBack?: () => void;
}

/** A transaction takes no more jobs once it holds this much: one commit should not keep the thread for long. */
const TRANSACTION_BYTES = 8_000_000;

/**
 * Group commit: calls of the same turn, and those that arrive while a commit is under way, share one transaction and
 * thus one fsync. Each promise settles when its transaction is on disk.
 */
export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #hooks: CommitHooks;
  #queue: Job<unknown>[] = [];
  #scheduled = false;

  constructor(db: DatabaseSync, hooks: CommitHooks = {}) {
    this.#db = db;
    this.#hooks = hooks;
  }

  /** `work` may run twice: when a neighbour in the transaction fails, it is undone and run again alone. */
  run<T>(work: () => T, bytes = 0): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ work, bytes, resolve: resolve as (value: unknown) => void, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => this.flush());
    });
  }

  /** Commits what is queued, now. */
  flush(): void {
    this.#scheduled = false;
    while (this.#queue.length > 0) {
      let bytes = 0;
      let count = 0;
      while (count < this.#queue.length && (count === 0 || bytes < TRANSACTION_BYTES))
        bytes += this.#queue[count++]!.bytes;
      this.#commit(this.#queue.splice(0, count));
    }
  }

  #commit(jobs: Job<unknown>[]): void {
    let results: unknown[];
    try {
      results = inTransaction(this.#db, () => {
        const done = jobs.map((job) => job.work());
        this.#hooks.beforeCommit?.();
        return done;
      });
    } catch (error) {
      this.#hooks.rolledBack?.();
      // A fault of one job must not fail its neighbours: each is tried alone. A full disk fails them all.
      if (jobs.length > 1 && !isTransient(error)) for (const job of jobs) this.#commit([job]);
      else for (const job of jobs) job.reject(asPortError(error));
      return;
    }
    this.#hooks.committed?.();
    for (const [index, job] of jobs.entries()) job.resolve(results[index]);
  }
}
