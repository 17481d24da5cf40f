import assert from "node:assert/strict";
import { test } from "node:test";
import { release } from "./release.ts";

test("bytes that are a buffer of their own are given back, a part of one stays", () => {
  const whole = Buffer.allocUnsafeSlow(64_000);
  const { buffer } = whole;
  release(whole);
  assert.deepEqual([whole.length, buffer.byteLength], [0, 0]);

  const pooled = Buffer.from("pooled");
  release(pooled);
  assert.equal(pooled.toString(), "pooled");
  const part = new Uint8Array(new ArrayBuffer(10), 2, 3).fill(7);
  release(part);
  assert.deepEqual([...part], [7, 7, 7]);
  const shared = new Uint8Array(new SharedArrayBuffer(4)).fill(1);
  release(shared);
  assert.deepEqual([...shared], [1, 1, 1, 1]);
  release(new Uint8Array());
});
