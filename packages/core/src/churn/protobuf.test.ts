import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bytes, doubles, int64s, integer, message, text } from "./protobuf.ts";

const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");

describe("protobuf's wire format", () => {
  it("is that of the examples in its documentation", () => {
    assert.equal(hex(message(integer(1, 150))), "089601");
    assert.equal(hex(message(text(2, "testing"))), "120774657374696e67");
    assert.equal(hex(message(bytes(3, message(integer(1, 150))))), "1a03089601");
    assert.equal(hex(message(integer(1, -2))), "08feffffffffffffffff01");
  });

  it("writes numbers little-endian", () => {
    assert.equal(hex(doubles([1.5])), "000000000000f83f");
    assert.equal(hex(int64s([-1])), "ffffffffffffffff");
  });
});
