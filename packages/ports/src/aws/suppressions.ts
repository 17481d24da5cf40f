/**
 * The suppression list in a DynamoDB table of its own. Sixteen partitions hold the list, one item its version, which is
 * raised after every change: a reader who finds the version that it knows need not read the list again.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
  paginateQuery,
} from "@aws-sdk/client-dynamodb";
import type { Suppression, SuppressionKey, SuppressionList, Suppressions } from "../erasure-ports.ts";
import { SUPPRESSIONS_AGE_MS } from "../erasure-ports.ts";
import { MemorySuppressionList, SuppressionKeys } from "../suppression-list.ts";
import type { Item } from "./dynamo.ts";
import { WIDTH, isConditionFailed, number, text } from "./dynamo.ts";
import { calling, mapLimit } from "./errors.ts";

const HEAD: Item = { pk: { S: "suppressions" }, sk: { S: "version" } };
const PARTITIONS = [..."0123456789abcdef"].map((digit) => `suppressed#${digit}`);
const partitionOf = (key: SuppressionKey): string => `suppressed#${key[4]!}`;

const suppressionOf = (item: Item): Suppression => ({
  key: text(item, "sk") as SuppressionKey,
  erasureId: text(item, "erasure"),
  suppressedAtMs: number(item, "suppressedAtMs"),
});

export class DynamoSuppressions implements Suppressions {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #keys: SuppressionKeys;
  readonly #now: () => number;
  #list: MemorySuppressionList | undefined;
  #readAtMs = -Infinity;

  constructor(client: DynamoDBClient, table: string, secret: string, now: () => number) {
    this.#client = client;
    this.#table = table;
    this.#keys = new SuppressionKeys(secret);
    this.#now = now;
  }

  current(): SuppressionList | Promise<SuppressionList> {
    if (this.#list !== undefined && this.#now() - this.#readAtMs < SUPPRESSIONS_AGE_MS) return this.#list;
    return this.latest();
  }

  async latest(): Promise<SuppressionList> {
    const readAtMs = this.#now();
    const { Item } = await calling("reading the suppressions", () =>
      this.#client.send(new GetItemCommand({ TableName: this.#table, Key: HEAD, ConsistentRead: true })),
    );
    const version = Item === undefined ? "0" : (Item["version"]?.N ?? "0");
    if (this.#list?.version !== version) {
      const entries = new Map<SuppressionKey, Suppression>();
      // The version is read first: what is added meanwhile has another one, and the list is read again.
      if (version !== "0") for await (const entry of this.entries()) entries.set(entry.key, entry);
      this.#list = new MemorySuppressionList(version, this.#keys, entries);
    }
    this.#readAtMs = readAtMs;
    return this.#list;
  }

  keyOf(pseudonym: string): SuppressionKey {
    return this.#keys.keyOf(pseudonym);
  }

  async add(pseudonyms: readonly string[], erasureId: string, nowMs: number): Promise<void> {
    await this.merge(pseudonyms.map((each) => ({ key: this.keyOf(each), erasureId, suppressedAtMs: nowMs })));
  }

  async merge(entries: Iterable<Suppression>): Promise<number> {
    const added = await mapLimit([...entries], WIDTH, (entry) => this.#put(entry));
    const news = added.filter(Boolean).length;
    // Also where nothing was new: whoever put it there may have stopped before this.
    if (added.length > 0) await this.#changed();
    return news;
  }

  async #put({ key, erasureId, suppressedAtMs }: Suppression): Promise<boolean> {
    try {
      await calling("suppressing", () =>
        this.#client.send(
          new PutItemCommand({
            TableName: this.#table,
            Item: {
              pk: { S: partitionOf(key) },
              sk: { S: key },
              erasure: { S: erasureId },
              suppressedAtMs: { N: String(suppressedAtMs) },
            },
            ConditionExpression: "attribute_not_exists(pk)",
          }),
        ),
      );
      return true;
    } catch (error) {
      if (isConditionFailed(error)) return false;
      throw error;
    }
  }

  async lift(pseudonyms: readonly string[]): Promise<number> {
    const lifted = await mapLimit([...new Set(pseudonyms)], WIDTH, async (pseudonym) => {
      const key = this.keyOf(pseudonym);
      const { Attributes } = await calling("lifting a suppression", () =>
        this.#client.send(
          new DeleteItemCommand({
            TableName: this.#table,
            Key: { pk: { S: partitionOf(key) }, sk: { S: key } },
            ReturnValues: "ALL_OLD",
          }),
        ),
      );
      return Attributes !== undefined;
    });
    if (lifted.length > 0) await this.#changed();
    return lifted.filter(Boolean).length;
  }

  async #changed(): Promise<void> {
    await calling("raising the version of the suppressions", () =>
      this.#client.send(
        new UpdateItemCommand({
          TableName: this.#table,
          Key: HEAD,
          UpdateExpression: "ADD #version :one",
          ExpressionAttributeNames: { "#version": "version" },
          ExpressionAttributeValues: { ":one": { N: "1" } },
        }),
      ),
    );
    this.#readAtMs = -Infinity;
  }

  async *entries(): AsyncIterable<Suppression> {
    for (const partition of PARTITIONS) {
      const pages = paginateQuery(
        { client: this.#client },
        {
          TableName: this.#table,
          KeyConditionExpression: "pk = :partition",
          ExpressionAttributeValues: { ":partition": { S: partition } },
          ConsistentRead: true,
        },
      )[Symbol.asyncIterator]();
      for (;;) {
        const page = await calling("reading the suppressions", () => pages.next());
        if (page.done === true) break;
        for (const item of page.value.Items ?? []) yield suppressionOf(item);
      }
    }
  }
}
