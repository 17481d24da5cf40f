import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { PassThrough } from "node:stream";
import { type TestContext, test } from "node:test";
import { Problem } from "@ebb/functions/runtime/problem";
import { guardStream, readBody } from "./request-body.ts";

/** A request as far as the reading of its body looks at it. The socket's own timer runs on the mocked clock. */
const requestOf = () => {
  const stream = new PassThrough();
  let idle: NodeJS.Timeout | undefined;
  const request = Object.assign(stream, {
    complete: false,
    socket: { bytesRead: 0 },
    setTimeout(ms: number, callback?: () => void) {
      clearTimeout(idle);
      if (ms > 0) idle = setTimeout(() => callback?.(), ms);
      return request;
    },
  });
  return request;
};
const reading = (request: ReturnType<typeof requestOf>, maxBytes = 1_000) =>
  readBody(request as unknown as IncomingMessage, maxBytes, () => undefined).then(
    (body) => body.toString(),
    (error: unknown) => (error instanceof Problem ? error.code : error),
  );
const mocked = (t: TestContext): void => t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
const arrived = () => new Promise((resolve) => setImmediate(resolve));

test("a body that stops arriving is given up after fifteen seconds", async (t) => {
  mocked(t);
  const request = requestOf();
  const read = reading(request);
  request.write("abc");
  await arrived();
  t.mock.timers.tick(15_000);
  assert.equal(await read, "too_slow");
});

test("a body that drips is given up after a minute, however steadily it drips", async (t) => {
  mocked(t);
  const request = requestOf();
  const read = reading(request);
  for (let second = 0; second < 60; second++) {
    request.write("a");
    request.setTimeout(15_000, () => assert.fail("it is not idle"));
    await arrived();
    t.mock.timers.tick(1_000);
  }
  assert.equal(await read, "too_slow");
});

test("a body in time is answered whole, one byte too many is refused", async () => {
  const [fits, over] = [requestOf(), requestOf()];
  const [whole, refused] = [reading(fits, 5), reading(over, 5)];
  fits.end("abcde");
  over.end("abcdef");
  assert.equal(await whole, "abcde");
  assert.equal(await refused, "too_large");
});

test("a streamed body is cut off below 8 KB a second after the first minute, and goes on above", async (t) => {
  mocked(t);
  for (const [bytesPerSecond, cut] of [
    [100, true],
    [20_000, false],
  ] as const) {
    const request = requestOf();
    request.on("error", () => undefined);
    guardStream(request as unknown as IncomingMessage);
    let nowMs = 0;
    t.mock.method(performance, "now", () => nowMs);
    for (; nowMs < 300_000 && !request.destroyed; nowMs += 5_000) {
      request.socket.bytesRead += bytesPerSecond * 5;
      request.setTimeout(60_000, () => assert.fail("it is not idle"));
      t.mock.timers.tick(5_000);
    }
    assert.equal(request.destroyed, cut, `${bytesPerSecond} bytes a second`);
    request.setTimeout(0);
    request.destroy();
  }
});
