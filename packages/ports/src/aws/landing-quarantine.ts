/**
 * What landing has put into quarantine: events that were appended and cannot land. Its items lie under receipts of their
 * own (`landingReceipt`), so that they are found without reading what was refused at the door; the receipt and the number
 * that the ledger counts stand in the event itself.
 */
import type { S3Client } from "@aws-sdk/client-s3";
import { GetObjectCommand, NoSuchKey, paginateListObjectsV2 } from "@aws-sdk/client-s3";
import { LANDING_RECEIPTS } from "@ebb/lake/landing";
import { z } from "zod";
import { calling } from "./errors.ts";

/** One appended event, as the ledger counts it. */
export interface Settled {
  readonly receiptId: string;
  readonly receiptNumber: number;
}

const Line = z.object({ originalBase64: z.base64() });
/** What is read of the event. One without these is none that was appended here. */
const Original = z.object({
  receipt_id: z.string().regex(/^(rcp|upl)_\w{1,64}$/),
  receipt_number: z.int().min(0),
  received_at: z.iso.datetime(),
});

export class LandingQuarantine {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
  }

  /** Events received from an instant on and before another, each once. @throws TransientError */
  async settled(fromMs: number, beforeMs: number): Promise<Settled[]> {
    const found = new Map<string, Settled>();
    for await (const key of this.#keys(fromMs))
      for (const event of await this.#events(key)) {
        const receivedAtMs = Date.parse(event.received_at);
        if (receivedAtMs < fromMs || receivedAtMs >= beforeMs) continue;
        const { receipt_id: receiptId, receipt_number: receiptNumber } = event;
        found.set(`${receiptId} ${receiptNumber}`, { receiptId, receiptNumber });
      }
    return [...found.values()];
  }

  /** Of the objects that were written since; nothing is quarantined before it was received. */
  async *#keys(fromMs: number): AsyncGenerator<string> {
    const pages = paginateListObjectsV2(
      { client: this.#client },
      { Bucket: this.#bucket, Prefix: `quarantine/${LANDING_RECEIPTS}` },
    )[Symbol.asyncIterator]();
    for (;;) {
      const page = await calling("listing what could not land", () => pages.next());
      if (page.done === true) return;
      for (const { Key, LastModified } of page.value.Contents ?? [])
        if (Key !== undefined && (LastModified === undefined || LastModified.getTime() >= fromMs)) yield Key;
    }
  }

  async #events(key: string): Promise<z.infer<typeof Original>[]> {
    try {
      const text = await calling("reading what could not land", async () => {
        const { Body } = await this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: key }));
        return (await Body?.transformToString("utf8")) ?? "";
      });
      return text
        .split("\n")
        .filter((line) => line !== "")
        .flatMap((line) => eventOf(Buffer.from(Line.parse(JSON.parse(line)).originalBase64, "base64")));
    } catch (error) {
      if (error instanceof NoSuchKey) return []; // expired between the listing and the reading
      throw error;
    }
  }
}

/** The event of a line, or none: bytes that cannot be read tell of no receipt. */
const eventOf = (original: Buffer): z.infer<typeof Original>[] => {
  try {
    const parsed = Original.safeParse(JSON.parse(original.toString("utf8")));
    return parsed.success ? [parsed.data] : [];
  } catch {
    return [];
  }
};
