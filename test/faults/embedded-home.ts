/**
 * The way of an event through a home on one machine, without threads and sockets: the front door's handler, the log, the
 * consumer, the score handler, the customer store. Every one of their awaits is a call of a fallible port.
 */
import type { Context, KinesisStreamEvent } from "aws-lambda";
import { Pseudonymizer, sha256 } from "@ebb/core/ids";
import { make as collect } from "@ebb/functions/collect/events";
import { scoreConsumer } from "@ebb/functions/declarations";
import { make as score } from "@ebb/functions/score/fold-orders";
import { StreamConsumer } from "@ebb/home/stream-consumer";
import type { ApiKey, Settings } from "@ebb/ports";
import { EmbeddedCustomerStore } from "@ebb/ports/embedded/customer-store";
import { EmbeddedEventLog, type EventLogOptions } from "@ebb/ports/embedded/event-log";
import { LogReader } from "@ebb/ports/embedded/log-reader";
import { MemorySuppressions } from "@ebb/ports/suppression-list";
import { httpEvent } from "../support/http-event.ts";
import type { FalliblePorts } from "./fallible-ports.ts";

/** What lies on disk. */
export class Stores {
  readonly folder: string;
  readonly log: EmbeddedEventLog;
  readonly customers: EmbeddedCustomerStore;
  readonly reader: LogReader;

  constructor(folder: string, options: EventLogOptions & { readonly customerBytes?: number } = {}) {
    const { customerBytes, ...ofLog } = options;
    this.folder = folder;
    this.customers = new EmbeddedCustomerStore(folder, {
      derived: true,
      ...(customerBytes === undefined ? {} : { maxBytes: customerBytes }),
    });
    this.log = new EmbeddedEventLog(folder, ofLog);
    this.reader = new LogReader(folder);
  }

  close(): void {
    this.reader.close();
    this.log.close();
    this.customers.close();
  }
}

const settings: Settings = {
  rates: { reportingCurrency: "EUR", rates: {} },
  corsOrigins: [],
  hookSecrets: {},
  allowedProperties: [],
  allowedTraits: [],
};
const key: ApiKey = { id: "write", scopes: ["write"], source: "shop" };
const pseudonyms = new Pseudonymizer("a secret of thirty-two characters and more");
const metrics = { count: () => undefined };
const { signal } = new AbortController();

export interface Answer {
  readonly status: number;
  readonly body: {
    readonly receipt_id: string;
    readonly received: number;
    readonly appended: number;
    readonly quarantined: number;
    readonly errors: readonly { readonly index: number }[];
  };
}

export class EmbeddedHome {
  readonly stores: Stores;
  /** Every receipt that a request was given, answered or not. */
  readonly receipts: string[] = [];
  readonly deadLetters = new Map<string, string>();
  readonly #name: string;
  readonly #ports: FalliblePorts;
  readonly #now: () => number;
  #consumer: StreamConsumer | undefined;

  /** @param name unique: ids are made of it */
  constructor(name: string, stores: Stores, ports: FalliblePorts, now: () => number) {
    this.#name = name;
    this.stores = stores;
    this.#ports = ports;
    this.#now = now;
  }

  /** One request; `undefined` where the process died before it answered. */
  async post(body: string): Promise<Answer | undefined> {
    const ports = this.#ports;
    const handle = collect({
      now: this.#now,
      newId: (prefix) => {
        const id = `${prefix}_${sha256(`${this.#name} ${this.receipts.length}`).slice(0, 32)}`;
        this.receipts.push(id);
        return id;
      },
      pseudonyms,
      settings,
      metrics,
      suppressions: new MemorySuppressions("a second secret of thirty-two and more characters"),
      keys: ports.wrap("keys", { find: async () => key }),
      log: ports.wrap("log", { append: this.stores.log.append.bind(this.stores.log) }),
      profiles: ports.wrap("profiles", { put: async () => undefined, get: async () => undefined }),
    });
    const result = await handle(httpEvent("/v1/batch", body), {} as Context);
    if (ports.dead) return undefined;
    return { status: result.statusCode ?? 200, body: JSON.parse(result.body ?? "{}") as Answer["body"] };
  }

  /** One batch of the consumer. False when the log holds nothing new. @throws Crash, TransientError: the thread ended */
  async step(): Promise<boolean> {
    try {
      this.#consumer ??= await this.#openConsumer();
      return await this.#consumer.step(signal);
    } catch (error) {
      this.#consumer = undefined;
      throw error;
    }
  }

  /** What died starts again, from what lies on disk. */
  restart(): void {
    this.#ports.restart();
    this.#consumer = undefined;
  }

  /** Brings what was given up to the score stage again, as `ebb replay` does. */
  async redeliver(): Promise<void> {
    const handle = this.#scoring();
    for (const [name, record] of this.deadLetters) {
      const { payload } = JSON.parse(record) as { payload: string };
      const event = JSON.parse(payload) as KinesisStreamEvent;
      const { batchItemFailures } = await this.stores.customers.transaction(() => handle(event));
      if (batchItemFailures.length > 0) throw new Error("a dead letter failed again");
      this.deadLetters.delete(name);
    }
  }

  #scoring() {
    const { log, customers } = this.stores;
    const ports = this.#ports;
    const none = () => Promise.reject(new Error("not used"));
    return score(
      {
        now: this.#now,
        customers: ports.wrap("customers", customers),
        quarantine: ports.wrap("quarantine", {
          put: (items) => log.quarantine(items),
          list: none,
          counts: none,
          markReplayed: none,
        }),
        metrics,
        suppressions: new MemorySuppressions("a second secret of thirty-two and more characters"),
      },
      { attempts: 3, backoff: () => Promise.resolve() },
    );
  }

  async #openConsumer(): Promise<StreamConsumer> {
    const { log, customers, reader } = this.stores;
    const ports = this.#ports;
    return await StreamConsumer.open({
      settings: { ...scoreConsumer, batchSize: 3, maximumRetryAttempts: 4 },
      handle: this.#scoring(),
      source: { read: (after, records, bytes) => reader.read(after, records, bytes, log.head().seq) },
      effects: ports.wrap("effects", customers),
      deadLetters: ports.wrap("objects", {
        put: async (name: string, body) => void this.deadLetters.set(name, Buffer.from(body as Uint8Array).toString()),
      }),
      metrics,
      now: this.#now,
      timeoutMs: 60_000,
      sleep: async () => undefined,
    });
  }
}
