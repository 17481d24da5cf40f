/**
 * An HTTP/1.1 client that costs next to nothing, so that what is measured is the server: pre-built requests on a socket
 * that stays open, one at a time, answers with a Content-Length.
 */
import { type Socket, connect } from "node:net";
import { once } from "node:events";

export interface Answer {
  readonly status: number;
  /** Status line and headers. */
  readonly head: string;
  readonly body: Buffer;
}

export class Connection {
  readonly #socket: Socket;
  #pending: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;
  #received: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#take(chunk));
    const lost = (error?: Error): void => this.#pending?.reject(error ?? new Error("the home closed the connection"));
    socket.on("error", lost);
    socket.on("close", () => lost());
  }

  static async open(url: string): Promise<Connection> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    return new Connection(socket);
  }

  /** Sends the bytes of one request and resolves with its answer. */
  send(request: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#pending = undefined;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const headEnd = this.#received.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const head = this.#received.toString("latin1", 0, headEnd);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
    if (Number.isNaN(length)) return void this.#pending?.reject(new Error(`an answer without a length: ${head}`));
    const end = headEnd + 4 + length;
    if (this.#received.length < end) return;
    const answer = {
      status: Number(head.slice(9, 12)),
      head,
      body: Buffer.from(this.#received.subarray(headEnd + 4, end)),
    };
    this.#received = this.#received.subarray(end);
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.resolve(answer);
  }
}

const basic = (key: string): string => `Basic ${Buffer.from(`${key}:`).toString("base64")}`;

export const postRequest = (url: string, path: string, key: string, body: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(
      `POST ${path} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nAuthorization: ${basic(key)}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
    ),
    body,
  ]);

export const getRequest = (url: string, path: string, key: string): Buffer =>
  Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nAuthorization: ${basic(key)}\r\n\r\n`);
