/**
 * Appending from another thread: log.db has one writer, so other threads send their parts to it over a message port.
 * Events travel as one transferred buffer of JSON lines, not as thousands of cloned objects.
 */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import {
  type Appended,
  type EncodedEvent,
  type EventLog,
  type QuarantinedItem,
  type ReceiptPart,
  TransientError,
} from "../ports.ts";
import type { EmbeddedEventLog } from "./event-log.ts";

type Request =
  | {
      readonly id: number;
      readonly call: "append";
      readonly part: ReceiptPart;
      readonly eventIds: readonly string[];
      /** JSON lines, UTF-8. */
      readonly lines: Uint8Array;
      readonly quarantined: readonly QuarantinedItem[];
    }
  | { readonly id: number; readonly call: "quarantine"; readonly items: readonly QuarantinedItem[] };

type Answer = { readonly id: number } & (
  | { readonly appended: Appended | undefined }
  | { readonly failure: { readonly name: string; readonly message: string } }
);

export interface EventLogServer {
  /** The end to hand to a worker thread, in `transferList`. */
  connect(): MessagePort;
  close(): void;
}

/** Serves a log to other threads. Runs in the thread that owns the log. */
export const eventLogServer = (log: EmbeddedEventLog): EventLogServer => {
  const ports = new Set<MessagePort>();
  return {
    connect() {
      const { port1, port2 } = new MessageChannel();
      ports.add(port1);
      port1.on("message", (request: Request) => void answer(log, request).then((reply) => port1.postMessage(reply)));
      port1.on("close", () => ports.delete(port1));
      port1.unref(); // an idle client keeps no process alive
      return port2;
    },
    close() {
      for (const port of ports) port.close();
    },
  };
};

const answer = async (log: EmbeddedEventLog, request: Request): Promise<Answer> => {
  try {
    if (request.call === "append")
      return { id: request.id, appended: await log.append(request.part, unpack(request), request.quarantined) };
    await log.quarantine(request.items);
    return { id: request.id, appended: undefined };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return { id: request.id, failure: { name, message } };
  }
};

const unpack = (request: Request & { call: "append" }): EncodedEvent[] => {
  if (request.eventIds.length === 0) return [];
  const lines = Buffer.from(request.lines.buffer, request.lines.byteOffset, request.lines.byteLength)
    .toString("utf8")
    .split("\n");
  return request.eventIds.map((eventId, index) => ({ eventId, partitionKey: eventId, json: lines[index]! }));
};

interface Waiting {
  readonly resolve: (appended: Appended | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** The log as another thread sees it. */
export class RemoteEventLog implements EventLog {
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #closed = false;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on("message", (reply: Answer) => this.#settle(reply));
    port.on("close", () => this.#lost());
    port.unref();
  }

  async append(
    part: ReceiptPart,
    events: readonly EncodedEvent[],
    quarantined: readonly QuarantinedItem[],
  ): Promise<Appended> {
    // A fresh ArrayBuffer of its own: a pooled Buffer cannot be transferred.
    const lines = new TextEncoder().encode(events.map((event) => event.json).join("\n"));
    const eventIds = events.map((event) => event.eventId);
    const appended = await this.#call(
      (id) => ({ id, call: "append", part, eventIds, lines, quarantined }),
      [lines.buffer],
    );
    return appended!;
  }

  async quarantine(items: readonly QuarantinedItem[]): Promise<void> {
    await this.#call((id) => ({ id, call: "quarantine", items }), []);
  }

  #call(request: (id: number) => Request, transfer: ArrayBuffer[]): Promise<Appended | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new TransientError("the thread that writes the log is gone"));
        return;
      }
      const id = this.#nextId++;
      this.#waiting.set(id, { resolve, reject });
      this.#port.ref();
      this.#port.postMessage(request(id), transfer);
    });
  }

  #settle(reply: Answer): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (this.#waiting.size === 0) this.#port.unref();
    if ("appended" in reply) waiting?.resolve(reply.appended);
    else waiting?.reject(errorOf(reply.failure));
  }

  #lost(): void {
    this.#closed = true;
    for (const { reject } of this.#waiting.values())
      reject(new TransientError("the thread that writes the log is gone"));
    this.#waiting.clear();
  }

  close(): void {
    this.#port.close();
  }
}

const errorOf = ({ name, message }: { name: string; message: string }): Error => {
  if (name === "TransientError") return new TransientError(message);
  return name === "RangeError" ? new RangeError(message) : new Error(message);
};

export const remoteEventLog = (port: MessagePort): RemoteEventLog => new RemoteEventLog(port);
