/**
 * Keys in a DynamoDB table: `pk` the key's id, `document` the stored key as JSON, `lastUsedAtMs`. An instance of a
 * function believes what it read for some seconds: that is how long a key that was revoked may still be taken.
 */
import type { AttributeValue, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { GetItemCommand, ScanCommand, TransactWriteItemsCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import type { ApiKey, KeyRing } from "../ports.ts";
import {
  type KeyStore,
  type ListedKey,
  StoredKey,
  USE_NOTED_MS,
  apiKeyOf,
  digestOf,
  idIn,
  isKey,
  isUsable,
} from "../stored-keys.ts";
import { isConditionFailed, number, text } from "./dynamo.ts";
import { calling } from "./errors.ts";

/** A key that was revoked may be taken this long. */
export const BELIEVED_MS = 5_000;
/** Ids looked up, known or not: who tries many ids makes many reads, and no more than this in memory. */
const REMEMBERED = 1_000;

interface Looked {
  readonly atMs: number;
  /** Absent: there is no such key. */
  readonly key?: ListedKey;
  readonly digest?: Buffer;
}

export class DynamoKeyRing implements KeyRing {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #now: () => number;
  readonly #looked = new Map<string, Looked>();
  /** Uses that this instance has noted. */
  readonly #noted = new Map<string, number>();

  constructor(client: DynamoDBClient, table: string, now: () => number = Date.now) {
    this.#client = client;
    this.#table = table;
    this.#now = now;
  }

  async find(presented: string): Promise<ApiKey | undefined> {
    const digest = digestOf(presented);
    const id = idIn(presented);
    const { key, digest: candidate } = id === undefined ? NOT_THERE : await this.#look(id);
    if (!isKey(digest, candidate) || key === undefined || !isUsable(key, this.#now())) return undefined;
    await this.#note(key);
    return apiKeyOf(key);
  }

  async #look(id: string): Promise<Looked> {
    const nowMs = this.#now();
    const known = this.#looked.get(id);
    if (known !== undefined && nowMs - known.atMs < BELIEVED_MS && nowMs >= known.atMs) return known;
    const answer = await calling(`reading ${this.#table}`, () =>
      this.#client.send(new GetItemCommand({ TableName: this.#table, Key: { pk: { S: id } }, ConsistentRead: true })),
    );
    if (this.#looked.size >= REMEMBERED) this.#looked.clear();
    const key = answer.Item === undefined ? undefined : listedKeyOf(answer.Item);
    const looked = key === undefined ? { atMs: nowMs } : { atMs: nowMs, key, digest: Buffer.from(key.sha256, "hex") };
    this.#looked.set(id, looked);
    return looked;
  }

  /** At most once a minute for all instances together, more or less; a note that fails refuses nobody. */
  async #note({ id, lastUsedAtMs = -Infinity }: ListedKey): Promise<void> {
    const nowMs = this.#now();
    if (nowMs - Math.max(lastUsedAtMs, this.#noted.get(id) ?? -Infinity) < USE_NOTED_MS) return;
    this.#noted.set(id, nowMs);
    try {
      await this.#client.send(
        new UpdateItemCommand({
          TableName: this.#table,
          Key: { pk: { S: id } },
          UpdateExpression: "SET lastUsedAtMs = :now",
          ConditionExpression:
            "attribute_exists(pk) AND (attribute_not_exists(lastUsedAtMs) OR lastUsedAtMs < :before)",
          ExpressionAttributeValues: { ":now": { N: String(nowMs) }, ":before": { N: String(nowMs - USE_NOTED_MS) } },
        }),
      );
    } catch (error) {
      if (!isConditionFailed(error)) this.#noted.delete(id); // tried again with the next request
    }
  }
}

const NOT_THERE: Looked = { atMs: 0 };

const listedKeyOf = (item: Record<string, AttributeValue>): ListedKey => ({
  ...StoredKey.parse(JSON.parse(text(item, "document"))),
  lastUsedAtMs: item["lastUsedAtMs"] === undefined ? undefined : number(item, "lastUsedAtMs"),
});

/** What `ebb keys --table` does, with the rights of the person who runs it. */
export class DynamoKeyStore implements KeyStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async list(): Promise<ListedKey[]> {
    const keys: ListedKey[] = [];
    let from: Record<string, AttributeValue> | undefined;
    do {
      const start = from;
      const page = await calling(`listing ${this.#table}`, () =>
        this.#client.send(
          new ScanCommand({
            TableName: this.#table,
            ConsistentRead: true,
            ...(start === undefined ? {} : { ExclusiveStartKey: start }),
          }),
        ),
      );
      keys.push(...(page.Items ?? []).map(listedKeyOf));
      from = page.LastEvaluatedKey;
    } while (from !== undefined);
    return keys.sort((a, b) => (a.createdAtMs ?? 0) - (b.createdAtMs ?? 0) || (a.id < b.id ? -1 : 1));
  }

  async write(keys: readonly StoredKey[]): Promise<void> {
    await calling(`writing ${this.#table}`, () =>
      this.#client.send(
        new TransactWriteItemsCommand({
          TransactItems: keys.map((key) => ({
            // An update, so that the note of the last use stays.
            Update: {
              TableName: this.#table,
              Key: { pk: { S: key.id } },
              UpdateExpression: "SET document = :document",
              ExpressionAttributeValues: { ":document": { S: JSON.stringify(StoredKey.parse(key)) } },
            },
          })),
        }),
      ),
    );
  }
}
