import type { DatabaseSync } from "node:sqlite";
import { asPortError, inTransaction, isTransient } from "./sqlite.ts";

interface Job<T> {
  readonly work: () => T;
  /** Size in bytes, to bound a transaction. */
  readonly bytes: number;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

/** Jobs whose transaction is committed. */
interface Committed {
  readonly jobs: readonly Job<unknown>[];
  readonly results: readonly unknown[];
}

export interface CommitHooks {
  /** Runs in the transaction, after its jobs. */
  readonly beforeCommit?: () => void;
  readonly committed?: () => void;
  readonly rolledBack?: () => void;
  /** What was committed is on disk. */
  readonly durable?: () => void;
  /** How commits come to disk where COMMIT alone does not bring them there. Once it has thrown nothing more is taken. */
  readonly disk?: { sync(): Promise<void>; syncNow(): void };
}

/** A transaction takes no more jobs once it holds this much: one commit should not keep the thread for long. */
const TRANSACTION_BYTES = 8_000_000;

/**
 * Group commit: calls of the same turn, and those that arrive while a commit is on its way to disk, share one
 * transaction and thus one fsync. Each promise settles when its transaction is on disk.
 */
export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #hooks: CommitHooks;
  #queue: Job<unknown>[] = [];
  #scheduled = false;
  #holds = 0;
  /** On its way to disk. */
  #syncing: readonly Committed[] | undefined;
  /** Why nothing comes to disk any more. */
  #failure: Error | undefined;

  constructor(db: DatabaseSync, hooks: CommitHooks = {}) {
    this.#db = db;
    this.#hooks = hooks;
  }

  /** `work` may run twice: when a neighbour in the transaction fails, it is undone and run again alone. */
  run<T>(work: () => T, bytes = 0): Promise<T> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ work, bytes, resolve: resolve as (value: unknown) => void, reject });
      this.#schedule();
    });
  }

  /** Commits nothing until what is answered is called: the file is being rewritten, and callers wait for it. */
  hold(): () => void {
    let held = true;
    this.#holds++;
    return () => {
      if (!held) return;
      held = false;
      this.#holds--;
      this.#schedule();
    };
  }

  #schedule(): void {
    if (this.#holds > 0 || this.#scheduled || this.#syncing !== undefined || this.#queue.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => this.#next());
  }

  /** One transaction; the next one when it is on disk. */
  #next(): void {
    this.#scheduled = false;
    if (this.#holds > 0 || this.#syncing !== undefined || this.#queue.length === 0) return;
    const committed = this.#commitSome();
    const { disk } = this.#hooks;
    if (disk === undefined || committed.length === 0) this.#settle(committed);
    else {
      this.#syncing = committed;
      disk.sync().then(
        () => this.#synced(committed),
        (error: unknown) => this.#synced(committed, error),
      );
    }
    this.#schedule();
  }

  #synced(committed: readonly Committed[], error?: unknown): void {
    if (this.#syncing !== committed) return; // `flush` was faster
    this.#syncing = undefined;
    if (error === undefined) this.#settle(committed);
    else this.#fail(committed, error);
    this.#schedule();
  }

  /** Commits what is queued and brings it to disk, now. */
  flush(): void {
    const committed = [...(this.#syncing ?? [])];
    this.#syncing = undefined;
    while (this.#queue.length > 0 && this.#holds === 0) committed.push(...this.#commitSome());
    if (committed.length === 0) return;
    try {
      this.#hooks.disk?.syncNow();
    } catch (error) {
      return this.#fail(committed, error);
    }
    this.#settle(committed);
  }

  #commitSome(): Committed[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && (count === 0 || bytes < TRANSACTION_BYTES))
      bytes += this.#queue[count++]!.bytes;
    return this.#commit(this.#queue.splice(0, count));
  }

  #commit(jobs: readonly Job<unknown>[]): Committed[] {
    try {
      const results = inTransaction(this.#db, () => {
        const done = jobs.map((job) => job.work());
        this.#hooks.beforeCommit?.();
        return done;
      });
      this.#hooks.committed?.();
      return [{ jobs, results }];
    } catch (error) {
      this.#hooks.rolledBack?.();
      // A fault of one job must not fail its neighbours: each is tried alone. A full disk fails them all.
      if (jobs.length > 1 && !isTransient(error)) return jobs.flatMap((job) => this.#commit([job]));
      for (const job of jobs) job.reject(asPortError(error));
      return [];
    }
  }

  #settle(committed: readonly Committed[]): void {
    if (committed.length > 0) this.#hooks.durable?.();
    for (const { jobs, results } of committed) for (const [index, job] of jobs.entries()) job.resolve(results[index]);
  }

  #fail(committed: readonly Committed[], cause: unknown): void {
    this.#failure = asPortError(cause);
    for (const { jobs } of committed) for (const job of jobs) job.reject(this.#failure);
    for (const job of this.#queue.splice(0)) job.reject(this.#failure);
  }
}
