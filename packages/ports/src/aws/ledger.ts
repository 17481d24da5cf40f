/**
 * The ledger in DynamoDB: one item a part. A receipt's first part stands in the index `newest` for the whole receipt;
 * the index is spread over shards, because one partition takes 1,000 writes a second.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { PutItemCommand, QueryCommand } from "@aws-sdk/client-dynamodb";
import type { ReceiptId } from "@ebb/core/ids";
import { digest } from "@ebb/core/ids";
import type { Ledger, LedgerLine, ReceiptPart } from "../ports.ts";
import type { Item } from "./dynamo.ts";
import { WIDTH, instantKey, isConditionFailed, newestFirst, number, text } from "./dynamo.ts";
import { calling, mapLimit } from "./errors.ts";

export const SHARDS = ["0", "1", "2", "3", "4", "5", "6", "7"] as const;
const shardOf = (receiptId: string): string => SHARDS[Number.parseInt(digest(receiptId)[0]!, 16) % SHARDS.length]!;

const itemOf = (part: ReceiptPart, events: number): Item => ({
  pk: { S: part.receiptId },
  sk: { N: String(part.part) },
  channel: { S: part.channel },
  source: { S: part.source },
  received: { N: String(part.received) },
  // Of a file, fewer events than rows come: an order is one event of many rows.
  events: { N: String(events) },
  quarantined: { N: String(part.quarantined) },
  receivedAtMs: { N: String(part.receivedAtMs) },
  ...(part.part === 0
    ? { shard: { S: shardOf(part.receiptId) }, at: { S: instantKey(part.receivedAtMs, part.receiptId) } }
    : {}),
});

/** The sum over a receipt's parts. It is settled when every part is. */
const lineOf = (parts: readonly Item[]): LedgerLine => {
  const first = parts[0]!;
  const sum = (name: string): number => parts.reduce((total, part) => total + number(part, name), 0);
  const settled = parts.every((part) => part["accepted"] !== undefined && part["duplicate"] !== undefined);
  return {
    receiptId: text(first, "pk") as ReceiptId,
    channel: text(first, "channel") as LedgerLine["channel"],
    source: text(first, "source"),
    received: sum("received"),
    // In the unit of `received`: rows of a file, else events.
    appended: sum("received") - sum("quarantined"),
    quarantined: sum("quarantined"),
    ...(settled ? { accepted: sum("accepted"), duplicate: sum("duplicate") } : {}),
    receivedAtMs: Math.min(...parts.map((part) => number(part, "receivedAtMs"))),
  };
};

export class DynamoLedger implements Ledger {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** Writes the line of a part once; answers the number of events that stands there. @throws TransientError */
  async commit(part: ReceiptPart, events: number): Promise<number> {
    try {
      await calling("writing the ledger", () =>
        this.#client.send(
          new PutItemCommand({
            TableName: this.#table,
            Item: itemOf(part, events),
            ConditionExpression: "attribute_not_exists(pk)",
          }),
        ),
      );
      return events;
    } catch (error) {
      if (!isConditionFailed(error)) throw error;
      return (await this.committed(part)) ?? events;
    }
  }

  /** Events of a part that was committed before; `undefined` where it was not. */
  async committed({ receiptId, part }: Pick<ReceiptPart, "receiptId" | "part">): Promise<number | undefined> {
    const [item] = await this.#parts(receiptId, part);
    return item === undefined ? undefined : number(item, "events");
  }

  async read(receiptId: ReceiptId): Promise<LedgerLine | undefined> {
    const parts = await this.#parts(receiptId);
    return parts.length === 0 ? undefined : lineOf(parts);
  }

  async list(query: { limit: number; cursor?: string | undefined }): Promise<{ lines: LedgerLine[]; cursor?: string }> {
    const { items, ...rest } = await newestFirst(this.#client, this.#table, SHARDS, query);
    const lines = await mapLimit(items, WIDTH, async (item) => {
      const line = lineOf([item]);
      // Only uploads come in parts; everything else is whole in the index.
      return line.channel === "upload" ? ((await this.read(line.receiptId)) ?? line) : line;
    });
    return { lines, ...rest };
  }

  async #parts(receiptId: string, part?: number): Promise<Item[]> {
    const items: Item[] = [];
    let from: Item | undefined;
    do {
      const start = from;
      const page = await calling("reading the ledger", () =>
        this.#client.send(
          new QueryCommand({
            TableName: this.#table,
            KeyConditionExpression: part === undefined ? "pk = :receipt" : "pk = :receipt AND sk = :part",
            ExpressionAttributeValues: {
              ":receipt": { S: receiptId },
              ...(part === undefined ? {} : { ":part": { N: String(part) } }),
            },
            ConsistentRead: true,
            ...(start === undefined ? {} : { ExclusiveStartKey: start }),
          }),
        ),
      );
      items.push(...(page.Items ?? []));
      from = page.LastEvaluatedKey;
    } while (from !== undefined);
    return items;
  }
}
