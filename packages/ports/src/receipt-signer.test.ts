import assert from "node:assert/strict";
import test from "node:test";
import { ReceiptSigner, isSigned } from "./receipt-signer.ts";

const unsigned = {
  version: 1 as const,
  erasureId: "era_1",
  requestedAt: "2026-01-01T00:00:00.000Z",
  completedAt: "2026-01-01T00:01:00.000Z",
  suppressionKeys: ["sup_1"],
  removed: [{ store: "customers", count: 1 }],
  boundDays: 30,
};

test("a receipt is checked by what stands in it, also after it was printed and read again", () => {
  const receipt = new ReceiptSigner("s".repeat(32)).sign(unsigned);
  assert.equal(isSigned(JSON.parse(JSON.stringify(receipt, undefined, 2)) as typeof receipt), true);
});

test("whatever is changed in a receipt, its signature tells", () => {
  const receipt = new ReceiptSigner("s".repeat(32)).sign(unsigned);
  const changed = [
    { ...receipt, erasureId: "era_2" },
    { ...receipt, completedAt: "2026-01-01T00:00:30.000Z" },
    { ...receipt, suppressionKeys: [] },
    { ...receipt, removed: [{ store: "customers", count: 2 }] },
    { ...receipt, removed: [{ store: "customers", count: 1, remains: "nothing" }] },
    { ...receipt, boundDays: 31 },
    { ...receipt, publicKey: new ReceiptSigner("t".repeat(32)).publicKey },
    { ...receipt, publicKey: "short" },
  ];
  assert.deepEqual(
    changed.map(isSigned),
    changed.map(() => false),
  );
});

test("a secret has one key pair", () => {
  assert.equal(new ReceiptSigner("s".repeat(32)).publicKey, new ReceiptSigner("s".repeat(32)).publicKey);
  assert.notEqual(new ReceiptSigner("s".repeat(32)).publicKey, new ReceiptSigner("t".repeat(32)).publicKey);
});
