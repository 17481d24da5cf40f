/** The home under test, and the words that a benchmark has with it. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Child } from "./child.ts";

interface Started {
  readonly url: string;
  readonly writeKey: string;
  readonly readKey: string;
  readonly controlToken: string;
}

export class BenchHome {
  readonly folder: string;
  readonly child: Child;
  readonly started: Started;

  private constructor(folder: string, child: Child, started: Started) {
    this.folder = folder;
    this.child = child;
    this.started = started;
  }

  /** EBB_BENCH_NODE_FLAGS go to the home's Node: for profiles and traces. */
  static async start(): Promise<BenchHome> {
    const folder = await temporaryFolder();
    const flags = (process.env["EBB_BENCH_NODE_FLAGS"] ?? "").split(" ").filter((flag) => flag !== "");
    const child = new Child("home", { folder }, flags);
    return new BenchHome(folder, child, await child.next<Started>());
  }

  /** Waits until every stage has caught up, and what is on the log lies in the lake as Parquet. */
  async settle(): Promise<void> {
    await this.#control("settle");
    await this.#control("flush");
  }

  /** Makes a batch run as of a day and waits for its end. @throws Error when it fails */
  async run(asOf: string): Promise<void> {
    const { run_id: id } = (await this.#control(`run?as_of=${asOf}`)) as { run_id: string };
    // Its trail is there only when its process has begun to write one.
    while (((await this.#control("status", "GET")) as { run?: string }).run === id) await delay(200);
    const { state, reason } = (await this.get(`/v1/runs/${id}`)) as { state: string; reason?: string };
    if (state !== "succeeded") throw new Error(`the run ended ${state}: ${reason}`);
  }

  async get(path: string): Promise<unknown> {
    return this.#call(path, { headers: { authorization: `Bearer ${this.started.readKey}` } });
  }

  async post(path: string, body: unknown): Promise<unknown> {
    const headers = { authorization: `Bearer ${this.started.writeKey}`, "content-type": "application/json" };
    return this.#call(path, { method: "POST", headers, body: JSON.stringify(body) });
  }

  async stop(): Promise<void> {
    const gone = once(this.child.process, "exit");
    this.child.tell("stop");
    await gone;
    await rm(this.folder, { recursive: true, force: true });
  }

  async #control(action: string, method = "POST"): Promise<unknown> {
    const headers = { authorization: `Bearer ${this.started.controlToken}` };
    return this.#call(`/_ebb/${action}`, { method, headers });
  }

  async #call(path: string, init: RequestInit): Promise<unknown> {
    const response = await fetch(this.started.url + path, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text.slice(0, 500)}`);
    return text === "" ? undefined : JSON.parse(text);
  }
}

export const temporaryFolder = (): Promise<string> => mkdtemp(path.join(tmpdir(), "ebb-bench-"));
