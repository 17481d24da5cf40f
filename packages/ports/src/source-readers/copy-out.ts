/**
 * What `COPY … TO STDOUT` sends, without its framing. PostgreSQL sends each row as a message of its own; the rows of a chunk
 * are moved together where they lie, so that a row costs neither an object nor a call.
 */
import type { Duplex } from "node:stream";
import type pg from "pg";

/** Bytes that wait for whoever reads before the server has to. */
const WAITING_BYTES = 1 << 20;

/** Messages of the protocol, by their first byte. */
const [COPY_DATA, COPY_DONE, COPY_OUT_RESPONSE] = [0x64, 0x63, 0x48]; // d, c, H
/** May come at any time: notices, changed parameters, notifications. */
const BETWEEN: readonly number[] = [0x4e, 0x53, 0x41]; // N, S, A
const HEADER_BYTES = 5;

type Listener = (chunk: Buffer) => void;

/** Takes the data out of a stream of messages that is cut anywhere. */
export class CopyMessages {
  /** What follows the data, as it came: of a chunk in which it ended. */
  rest: Buffer | undefined;
  /** Of a message whose header is not all there. */
  #header = Buffer.alloc(0);
  /** Bytes of the message at hand that have not come. */
  #left = 0;
  #isData = false;

  /** The data of a chunk, which is used for it: it lies at the chunk's beginning. */
  take(chunk: Buffer): Buffer {
    let to = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#left === 0) {
        const begun = this.#header.length;
        const needs = HEADER_BYTES - begun;
        if (chunk.length - at < needs) {
          this.#header = Buffer.concat([this.#header, chunk.subarray(at)]);
          break;
        }
        const header = begun === 0 ? chunk : Buffer.concat([this.#header, chunk.subarray(at, at + needs)]);
        const from = begun === 0 ? at : 0;
        const code = header[from]!;
        if (code !== COPY_DATA && code !== COPY_OUT_RESPONSE && !BETWEEN.includes(code)) {
          // The end of the data, or an error: all else is for the client itself.
          this.rest =
            code === COPY_DONE ? chunk.subarray(at + needs) : Buffer.concat([this.#header, chunk.subarray(at)]);
          break;
        }
        if (begun > 0) this.#header = Buffer.alloc(0);
        this.#isData = code === COPY_DATA;
        this.#left = lengthAt(header, from + 1) - 4; // it counts itself
        at += needs;
      }
      const end = Math.min(chunk.length, at + this.#left);
      this.#left -= end - at;
      if (this.#isData) while (at < end) chunk[to++] = chunk[at++]!;
      at = end;
    }
    return chunk.subarray(0, to);
  }
}

const lengthAt = (bytes: Buffer, at: number): number =>
  bytes[at]! * 0x1_00_00_00 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);

/**
 * A statement for the client's `query`. Its data is read once, and to its end: who stops before loses the connection,
 * for what the server still sends would have to be waited for.
 */
export class CopyOut implements pg.Submittable, AsyncIterable<Buffer> {
  readonly #text: string;
  readonly #messages = new CopyMessages();
  readonly #pieces: Buffer[] = [];
  #waiting = 0;
  #stream: Duplex | undefined;
  /** The client's own, while the data is ours. */
  #listener: Listener | undefined;
  #wake: (() => void) | undefined;
  #isDone = false;
  #error: Error | undefined;

  /** @param text `COPY … TO STDOUT` */
  constructor(text: string) {
    this.#text = text;
  }

  submit(connection: pg.Connection): void {
    const { stream } = connection;
    const [listener, another] = stream.listeners("data") as Listener[];
    if (listener === undefined || another !== undefined) throw new Error("the connection has another reader");
    this.#stream = stream;
    this.#listener = listener;
    stream.on("data", this.#onData);
    stream.removeListener("data", listener);
    connection.query(this.#text);
  }

  readonly #onData = (chunk: Buffer): void => {
    const piece = this.#messages.take(chunk);
    if (piece.length > 0) {
      this.#pieces.push(piece);
      this.#waiting += piece.length;
      if (this.#waiting > WAITING_BYTES) this.#stream!.pause();
      this.#wake?.();
    }
    const { rest } = this.#messages;
    if (rest !== undefined) this.#giveBack(rest);
  };

  #giveBack(rest: Buffer): void {
    const listener = this.#listener;
    if (listener === undefined) return;
    this.#listener = undefined;
    this.#stream!.on("data", listener);
    this.#stream!.removeListener("data", this.#onData);
    this.#stream!.resume();
    if (rest.length > 0) listener(rest);
  }

  // The client calls these.
  handleError(error: Error): void {
    this.#error ??= error;
    this.#giveBack(Buffer.alloc(0));
    this.#wake?.();
  }
  handleCommandComplete(): void {}
  handleReadyForQuery(): void {
    this.#isDone = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        if (this.#error !== undefined) throw this.#error;
        const piece = this.#pieces.shift();
        if (piece !== undefined) {
          this.#waiting -= piece.length;
          if (this.#waiting <= WAITING_BYTES / 2 && this.#stream!.isPaused()) this.#stream!.resume();
          yield piece;
        } else if (this.#isDone) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      if (!this.#isDone && this.#error === undefined) this.#stream?.destroy();
    }
  }
}
