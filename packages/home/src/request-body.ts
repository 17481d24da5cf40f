/** Reading a request's body within bounds of size and time, and throwing away what was refused. */
import type { IncomingMessage } from "node:http";
import { Problem } from "@ebb/functions/runtime/problem";
import { release } from "@ebb/ports/release";

/** Nothing came for so long: the client is gone or holds on to the connection. */
const IDLE_MS = 15_000;
/** A whole body is at most 4 MB: what takes longer is slower than 70 KB a second. */
const WHOLE_MS = 60_000;
/** A streamed body may take as long as it needs at this rate, measured from its beginning with some grace. */
const STREAM_BYTES_PER_SECOND = 8_000;
const STREAM_GRACE_MS = 60_000;
/** A refused body is read on and thrown away up to here, so that the client can finish sending and read the answer. */
const DISCARD_BYTES = 64_000_000;
const DISCARD_MS = 10_000;

export const tooLarge = (maxBytes: number): Problem =>
  new Problem("too_large", `At most ${maxBytes.toLocaleString("en")} bytes are taken here.`, { limit_bytes: maxBytes });

const tooSlow = (): Problem => new Problem("too_slow", "The body did not arrive in time. Nothing was kept.");

/**
 * The whole body.
 * @param received told of every chunk
 * @throws Problem `too_large` as soon as it is, `too_slow`
 */
export const readBody = (
  request: IncomingMessage,
  maxBytes: number,
  received: (bytes: number) => void,
): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const end = (settle: () => void): void => {
      clearTimeout(deadline);
      request.setTimeout(0);
      request.off("data", onData);
      settle();
      chunks.splice(0).forEach(release);
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      received(chunk.length);
      if (size > maxBytes) {
        chunks.push(chunk);
        end(() => reject(tooLarge(maxBytes)));
      } else chunks.push(chunk);
    };
    const late = (): void => end(() => reject(tooSlow()));
    const deadline = setTimeout(late, WHOLE_MS);
    request.setTimeout(IDLE_MS, late);
    request.on("data", onData);
    request.on("end", () => end(() => resolve(chunks.length === 1 ? chunks.pop()! : Buffer.concat(chunks, size))));
    request.on("error", (error) => end(() => reject(error)));
  });

/** Cuts a streamed body off when it stops or crawls. Its reader then sees it end in an error. */
export const guardStream = (request: IncomingMessage): void => {
  request.setTimeout(IDLE_MS * 4, () => request.destroy(new Error("the body stopped arriving")));
  const startedMs = performance.now();
  const before = request.socket.bytesRead;
  const watch = setInterval(() => {
    if (request.complete || request.destroyed) return clearInterval(watch);
    const elapsedMs = performance.now() - startedMs - STREAM_GRACE_MS;
    if (elapsedMs > 0 && request.socket.bytesRead - before < (elapsedMs / 1000) * STREAM_BYTES_PER_SECOND)
      request.destroy(new Error("the body arrived too slowly"));
  }, 5_000);
  watch.unref();
};

/** Reads what is left of a request without keeping it, within bounds; a client that goes on beyond them is cut off. */
export const discard = (request: IncomingMessage): void => {
  if (request.complete || request.destroyed) return;
  const { socket } = request;
  const end = socket.bytesRead + DISCARD_BYTES;
  const startedMs = performance.now();
  const watch = setInterval(() => {
    const over = socket.bytesRead > end || performance.now() - startedMs > DISCARD_MS;
    if (!request.complete && !socket.destroyed && !over) return;
    clearInterval(watch);
    if (!request.complete) socket.destroy();
  }, 100);
  watch.unref();
  request.on("data", release);
  request.resume();
};
