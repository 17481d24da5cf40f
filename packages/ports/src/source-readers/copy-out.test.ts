import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import test from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import type pg from "pg";
import { CopyMessages, CopyOut } from "./copy-out.ts";

/** As the protocol frames it (PostgreSQL's documentation, "Message Formats"): a letter, the length with itself, the body. */
const message = (letter: string, body: Uint8Array = Buffer.alloc(0)): Buffer => {
  const framed = Buffer.alloc(5 + body.length);
  framed.write(letter, "latin1");
  framed.writeUInt32BE(4 + body.length, 1);
  framed.set(body, 5);
  return framed;
};
const END = Buffer.concat([message("C", Buffer.from("COPY 2\0")), message("Z", Buffer.from("I"))]);

const rows = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((body) => ["d", body] as const),
    fc.constant(["d", Buffer.alloc(70_000, "x")] as const),
    fc.constantFrom("N", "S", "A").map((letter) => [letter, Buffer.from("by the way")] as const),
  ),
  { maxLength: 12 },
);

test("the data comes out as it was framed, wherever it is cut, and what follows it is left as it came", () => {
  fc.assert(
    fc.property(rows, fc.array(fc.nat({ max: 400 })), fc.boolean(), (sent, cuts, fails) => {
      const last = fails ? Buffer.concat([message("E", Buffer.from("C22012\0")), message("Z")]) : END;
      const bytes = Buffer.concat([
        message("H", Buffer.alloc(7)),
        ...sent.map(([letter, body]) => message(letter, body)),
        ...(fails ? [] : [message("c")]),
        last,
      ]);
      const messages = new CopyMessages();
      const [data, left]: [Buffer[], Buffer[]] = [[], []];
      let from = 0;
      for (const cut of [...cuts, bytes.length]) {
        const chunk = Buffer.from(bytes.subarray(from, from + cut));
        from = Math.min(bytes.length, from + cut);
        if (messages.rest !== undefined) left.push(chunk);
        else {
          data.push(Buffer.from(messages.take(chunk)));
          if (messages.rest !== undefined) left.push(messages.rest);
        }
      }
      assert.deepEqual(
        Buffer.concat(data),
        Buffer.concat(sent.flatMap(([letter, body]) => (letter === "d" ? [body] : []))),
      );
      assert.deepEqual(Buffer.concat(left), last);
    }),
    { seed: 20_261_122, numRuns: 300 },
  );
});

/** A connection as the client has it: one reader of its own, to which the end of the statement is told. */
const connect = () => {
  const told: Buffer[] = [];
  const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  stream.on("data", (chunk: Buffer) => void told.push(chunk));
  const connection = { stream, query: () => undefined } as unknown as pg.Connection;
  return { stream, told, connection };
};

test("the client reads again what follows the data, and the data ends when the client is ready", async () => {
  const { stream, told, connection } = connect();
  const copy = new CopyOut("COPY t TO STDOUT");
  copy.submit(connection);
  stream.push(Buffer.concat([message("H"), message("d", Buffer.from("1\n")), message("c"), END]));
  await turn();
  assert.deepEqual(Buffer.concat(told), END);
  let text = "";
  let ended = false;
  const reading = (async () => {
    for await (const piece of copy) text += piece.toString();
    ended = true;
  })();
  await turn();
  assert.deepEqual([text, ended], ["1\n", false]);
  copy.handleReadyForQuery();
  await reading;
  stream.push(Buffer.from("another answer"));
  await turn();
  assert.equal(told.at(-1)?.toString(), "another answer");
});

test("the server waits for a slow reader; a fault is told, and a reader that stops ends the connection", async () => {
  const slow = connect();
  const copy = new CopyOut("COPY t TO STDOUT");
  copy.submit(slow.connection);
  for (let count = 0; count < 20; count++) slow.stream.push(message("d", Buffer.alloc(100_000, "x")));
  await turn();
  assert.equal(slow.stream.isPaused(), true);
  const pieces = copy[Symbol.asyncIterator]();
  let bytes = 0;
  while (bytes < 2_000_000) bytes += ((await pieces.next()).value as Buffer).length;
  assert.deepEqual([bytes, slow.stream.isPaused()], [2_000_000, false]);
  copy.handleError(new Error("canceling statement"));
  await assert.rejects(pieces.next(), /canceling statement/);
  assert.equal(slow.stream.destroyed, false, "the client goes on with it");

  const { stream, connection } = connect();
  const left = new CopyOut("COPY t TO STDOUT");
  left.submit(connection);
  stream.push(message("d", Buffer.from("1\n")));
  for await (const piece of left) {
    assert.equal(piece.toString(), "1\n");
    break;
  }
  assert.equal(stream.destroyed, true);
});
