/** Erasures of one machine: one after the other, each in a process of its own. What an earlier home left goes on. */
import { type ChildProcess, fork } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { CustomerKey } from "@ebb/core/ids";
import { logger } from "@ebb/functions/runtime/logger";
import type { Erasing } from "@ebb/ports";
import type { EmbeddedErasures } from "@ebb/ports/embedded/erasures";
import type { FromEraseProcess, ToEraseProcess } from "./erase-messages.ts";

export interface EraseStageParts {
  readonly folder: string;
  readonly suppressionSecret: string;
  readonly erasures: EmbeddedErasures;
  /** Brings all that the log holds into the lake. */
  readonly flush: () => Promise<void>;
  /** Keeps the front door from writing until what it answers is called. */
  readonly hold: () => () => void;
  /** Customers whom the stores of this process are to forget. */
  readonly forget: (customerKeys: readonly CustomerKey[]) => void;
}

/** Starts of one erasure by one home; the next home tries again. */
const MOST_STARTS = 5;
const PAUSE_MS = 2_000;

export class EraseStage implements Erasing {
  readonly #parts: EraseStageParts;
  readonly #waiting: string[] = [];
  #underWay: { readonly erasureId: string; readonly child: ChildProcess } | undefined;
  #work: Promise<void> = Promise.resolve();
  readonly #closing = new AbortController();

  constructor(parts: EraseStageParts) {
    this.#parts = parts;
    this.#work = this.#resume();
  }

  get erasureUnderWay(): string | undefined {
    return this.#underWay?.erasureId;
  }

  async start(erasureId: string): Promise<void> {
    if (this.#closing.signal.aborted || this.#waiting.includes(erasureId)) return;
    this.#waiting.push(erasureId);
    this.#work = this.#work.then(() => this.#next());
  }

  /** Resolves when no erasure is under way and none is waiting. */
  async ended(): Promise<void> {
    for (let work = this.#work; ; work = this.#work) {
      await work;
      if (work === this.#work) return;
    }
  }

  /** What is under way stops after its step, `graceMs` at most; the next home goes on with it. */
  async close(graceMs: number): Promise<void> {
    this.#closing.abort();
    const child = this.#underWay?.child;
    if (child !== undefined) this.#send(child, { type: "stop" });
    const timer = setTimeout(() => this.#underWay?.child.kill("SIGKILL"), graceMs);
    await this.ended();
    clearTimeout(timer);
  }

  async #resume(): Promise<void> {
    for (const { erasureId } of await this.#parts.erasures.unfinished()) {
      if (this.#waiting.includes(erasureId)) continue;
      this.#waiting.push(erasureId);
      this.#work = this.#work.then(() => this.#next());
    }
  }

  async #next(): Promise<void> {
    const erasureId = this.#waiting[0];
    if (erasureId === undefined) return;
    try {
      for (let starts = 1; !this.#closing.signal.aborted && starts <= MOST_STARTS; starts++) {
        if (starts > 1) await delay(PAUSE_MS * starts, undefined, { signal: this.#closing.signal });
        if (await this.#made(erasureId)) return;
      }
    } catch (error) {
      if (!this.#closing.signal.aborted) logger.error("an erasure could not be made", error as Error);
    } finally {
      this.#waiting.shift();
    }
  }

  /** Whether it came to its end. */
  async #made(erasureId: string): Promise<boolean> {
    const { folder, suppressionSecret, erasures, forget } = this.#parts;
    const keys = (await erasures.subjects(erasureId)).map(({ customerKey }) => customerKey);
    const child = fork(fileURLToPath(new URL("./workers/erase-process.ts", import.meta.url)), [], {
      execArgv: ["--disable-warning=ExperimentalWarning"],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#underWay = { erasureId, child };
    let failure: string | undefined = "the process of the erasure ended without a word";
    let release: (() => void) | undefined;
    child.on("message", (message: FromEraseProcess) => {
      switch (message.type) {
        case "flush":
          void this.#flush(child, message.id);
          break;
        case "hold":
          release = this.#parts.hold();
          this.#send(child, { type: "done", id: message.id });
          break;
        case "release":
          release?.();
          this.#send(child, { type: "done", id: message.id });
          break;
        case "ended":
          failure = message.failure;
      }
    });
    this.#send(child, { type: "erase", folder, erasureId, suppressionSecret });
    await new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    release?.();
    this.#underWay = undefined;
    forget(keys);
    if (failure !== undefined && !this.#closing.signal.aborted)
      logger.error("an erasure failed and is tried again", { erasureId, cause: failure });
    return (await erasures.get(erasureId))?.state === "done";
  }

  async #flush(child: ChildProcess, id: number): Promise<void> {
    try {
      await this.#parts.flush();
      this.#send(child, { type: "done", id });
    } catch (error) {
      this.#send(child, { type: "done", id, failure: error instanceof Error ? error.message : String(error) });
    }
  }

  #send(child: ChildProcess, message: ToEraseProcess): void {
    if (child.connected) child.send(message, () => undefined); // one that has gone is noticed by its exit
  }
}
