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
  type ReplayMark,
  TransientError,
} from "../ports.ts";
import { linesOf } from "./event-lines.ts";
import type { EmbeddedEventLog } from "./event-log.ts";
import { idBytesOf } from "./seen-ids.ts";

type Request =
  | {
      readonly id: number;
      readonly call: "append";
      readonly part: ReceiptPart;
      /** 16 bytes an event. */
      readonly ids: Uint8Array;
      readonly lines: { readonly bytes: Uint8Array; readonly ends: Uint32Array };
      readonly quarantined: readonly QuarantinedItem[];
    }
  | { readonly id: number; readonly call: "quarantine"; readonly items: readonly QuarantinedItem[] }
  | { readonly id: number; readonly call: "markReplayed"; readonly marks: readonly ReplayMark[] };

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
    if (request.call === "append") {
      const { part, ids, lines, quarantined } = request;
      const received = { bytes: bufferOf(lines.bytes), ends: lines.ends };
      return { id: request.id, appended: await log.appendLines(part, bufferOf(ids), received, quarantined) };
    }
    if (request.call === "quarantine") await log.quarantine(request.items);
    else await log.markReplayed(request.marks);
    return { id: request.id, appended: undefined };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return { id: request.id, failure: { name, message } };
  }
};

/** What travelled is no Buffer any more. */
const bufferOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

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
    const ids = Uint8Array.from(idBytesOf(events.map((event) => event.eventId))); // a pooled Buffer would take its pool along
    const lines = linesOf(events);
    const appended = await this.#call(
      (id) => ({ id, call: "append", part, ids, lines, quarantined }),
      [lines.bytes.buffer as ArrayBuffer, lines.ends.buffer as ArrayBuffer],
    );
    return appended!;
  }

  async quarantine(items: readonly QuarantinedItem[]): Promise<void> {
    await this.#call((id) => ({ id, call: "quarantine", items }), []);
  }

  async markReplayed(marks: readonly ReplayMark[]): Promise<void> {
    await this.#call((id) => ({ id, call: "markReplayed", marks }), []);
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
