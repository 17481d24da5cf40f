/** Receipts signed with Ed25519: whoever has the public key checks one without the home's help. */
import { createHmac, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { type ErasureReceipt, type UnsignedReceipt, receiptText } from "@ebb/core/erasure";

/** DER of an Ed25519 private key up to its 32 bytes, and of a public one (RFC 8410). */
const PRIVATE_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");
const PUBLIC_HEAD = Buffer.from("302a300506032b6570032100", "hex");

/** A key pair of its own out of the secret of the suppressions, so that there is no other secret to keep. */
export class ReceiptSigner {
  readonly #privateKey;
  /** 32 bytes, base64url. */
  readonly publicKey: string;

  constructor(suppressionSecret: string) {
    const seed = createHmac("sha256", suppressionSecret).update("receipts of erasures").digest();
    this.#privateKey = createPrivateKey({ key: Buffer.concat([PRIVATE_HEAD, seed]), format: "der", type: "pkcs8" });
    const der = createPublicKey(this.#privateKey).export({ format: "der", type: "spki" });
    this.publicKey = der.subarray(PUBLIC_HEAD.length).toString("base64url");
  }

  sign(receipt: UnsignedReceipt): ErasureReceipt {
    const signature = sign(null, Buffer.from(receiptText(receipt)), this.#privateKey).toString("base64url");
    return { ...receipt, signature, publicKey: this.publicKey };
  }
}

/** Whether the receipt is as it was when the holder of its public key signed it. */
export const isSigned = (receipt: ErasureReceipt): boolean => {
  const raw = Buffer.from(receipt.publicKey, "base64url");
  if (raw.length !== 32) return false;
  const key = createPublicKey({ key: Buffer.concat([PUBLIC_HEAD, raw]), format: "der", type: "spki" });
  return verify(null, Buffer.from(receiptText(receipt)), key, Buffer.from(receipt.signature, "base64url"));
};
