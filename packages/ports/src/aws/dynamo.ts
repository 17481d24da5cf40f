/** What the DynamoDB adapters share: reading many keys whole, listing newest first, reading items. */
import type { AttributeValue, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  QueryCommand,
  TransactGetItemsCommand,
  TransactionCanceledException,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { InvalidCursor, TransientError } from "../ports.ts";
import { newestIndex } from "./tables.ts";
import { ATTEMPTS, backOff, calling, chunksOf, mapLimit } from "./errors.ts";

export type Item = Record<string, AttributeValue>;

/** Keys that one BatchGetItem takes. */
const BATCH_KEYS = 100;

/** Items that one transaction takes. */
export const TRANSACTION_ITEMS = 100;

/** Calls under way at once by one adapter. */
export const WIDTH = 24;

/** All stored items under the keys, consistent; what the service leaves out is asked for again. @throws TransientError */
export const batchGet = async (client: DynamoDBClient, table: string, keys: readonly Item[]): Promise<Item[]> => {
  const chunks = await mapLimit(chunksOf(keys, BATCH_KEYS), WIDTH, async (chunk) => {
    const items: Item[] = [];
    let wanted: Item[] = chunk;
    for (let attempt = 0; wanted.length > 0; attempt++) {
      if (attempt === ATTEMPTS) throw new TransientError(`${table} left ${wanted.length} keys unread`);
      if (attempt > 0) await backOff(attempt);
      const asked = wanted;
      const answer = await calling(`reading ${table}`, () =>
        client.send(new BatchGetItemCommand({ RequestItems: { [table]: { Keys: asked, ConsistentRead: true } } })),
      );
      items.push(...(answer.Responses?.[table] ?? []));
      wanted = answer.UnprocessedKeys?.[table]?.Keys ?? [];
    }
    return items;
  });
  return chunks.flat();
};

/**
 * The stored items under at most TRANSACTION_ITEMS keys, as they stood at one instant. Meeting a write in flight cancels
 * such a read; it is tried again. @throws TransientError
 */
export const transactGet = async (client: DynamoDBClient, table: string, keys: readonly Item[]): Promise<Item[]> => {
  const command = new TransactGetItemsCommand({
    TransactItems: keys.map((Key) => ({ Get: { TableName: table, Key } })),
  });
  for (let attempt = 0; ; attempt++) {
    if (attempt > 0) await backOff(attempt);
    try {
      const answer = await calling(`reading ${table}`, () => client.send(command));
      return (answer.Responses ?? []).flatMap(({ Item }) => (Item === undefined ? [] : [Item]));
    } catch (error) {
      if (!(error instanceof TransactionCanceledException) || !isPassing(error)) throw error;
      if (attempt + 1 === ATTEMPTS) throw new TransientError(`${table} stayed in conflict`, { cause: error });
    }
  }
};

const passing: ReadonlySet<string> = new Set([
  "TransactionConflict",
  "ThrottlingError",
  "ProvisionedThroughputExceeded",
]);

/** Whether a transaction was cancelled for nothing but what passes: another one in flight, or throttling. */
export const isPassing = ({ CancellationReasons = [] }: TransactionCanceledException): boolean => {
  const codes = CancellationReasons.map(({ Code }) => Code ?? "None").filter((code) => code !== "None");
  return codes.length > 0 && codes.every((code) => passing.has(code));
};

export const isConditionFailed = (error: unknown): error is ConditionalCheckFailedException =>
  error instanceof ConditionalCheckFailedException;

export const text = (item: Item, name: string): string => {
  const value = item[name]?.S;
  if (value === undefined) throw new TypeError(`a stored item lacks the text "${name}"`);
  return value;
};

export const number = (item: Item, name: string): number => {
  const value = item[name]?.N;
  if (value === undefined) throw new TypeError(`a stored item lacks the number "${name}"`);
  return Number(value);
};

/** Sorts by time, then by id: milliseconds with 15 digits, so that text order is time order until the year 33658. */
export const instantKey = (atMs: number, id: string): string => `${String(atMs).padStart(15, "0")}#${id}`;

const AT = /^\d{15}#.+$/;
const readCursor = (cursor: string): string => {
  const at = Buffer.from(cursor, "base64url").toString("utf8");
  if (!AT.test(at)) throw new InvalidCursor("the cursor was not handed out here");
  return at;
};

/**
 * One page of the `newest` index over all its shards; the cursor is the `at` of the page's last item. Each shard is read
 * a page deep each time, because the page may lie in one shard alone.
 */
export const newestFirst = async (
  client: DynamoDBClient,
  table: string,
  shards: readonly string[],
  query: { limit: number; cursor?: string | undefined },
): Promise<{ items: Item[]; cursor?: string }> => {
  const { limit } = query;
  const cursor = query.cursor === undefined ? undefined : readCursor(query.cursor);
  const pages = await mapLimit(shards, WIDTH, (shard) =>
    calling(`listing ${table}`, () =>
      client.send(
        new QueryCommand({
          TableName: table,
          IndexName: newestIndex.name,
          KeyConditionExpression: cursor === undefined ? "#shard = :shard" : "#shard = :shard AND #at < :cursor",
          // Both are words that DynamoDB reserves.
          ExpressionAttributeNames: { "#shard": "shard", ...(cursor === undefined ? {} : { "#at": "at" }) },
          ExpressionAttributeValues: {
            ":shard": { S: shard },
            ...(cursor === undefined ? {} : { ":cursor": { S: cursor } }),
          },
          ScanIndexForward: false,
          Limit: limit + 1,
        }),
      ),
    ),
  );
  const items = pages.flatMap((page) => page.Items ?? []).sort((a, b) => (text(a, "at") < text(b, "at") ? 1 : -1));
  const page = items.slice(0, limit);
  const last = page.at(-1);
  if (items.length <= limit || last === undefined) return { items: page };
  return { items: page, cursor: Buffer.from(text(last, "at")).toString("base64url") };
};

export interface LeaseHolder {
  readonly owner: string;
  readonly leaseMs: number;
  readonly nowMs: number;
}

/**
 * Takes or renews the lease that stands on an item; false when another has it. 0 ms give it back.
 * @param onlyExisting no item is made for a lease
 */
export const takeLease = async (
  client: DynamoDBClient,
  table: string,
  key: Item,
  { owner, leaseMs, nowMs }: LeaseHolder,
  onlyExisting: boolean,
): Promise<boolean> => {
  const free = "attribute_not_exists(leaseUntilMs) OR leaseUntilMs <= :now OR leaseOwner = :owner";
  try {
    await calling("taking a lease", () =>
      client.send(
        new UpdateItemCommand({
          TableName: table,
          Key: key,
          UpdateExpression: "SET leaseOwner = :owner, leaseUntilMs = :until",
          ConditionExpression: onlyExisting ? `attribute_exists(pk) AND (${free})` : free,
          ExpressionAttributeValues: {
            ":owner": { S: owner },
            ":until": { N: String(nowMs + leaseMs) },
            ":now": { N: String(nowMs) },
          },
        }),
      ),
    );
    return true;
  } catch (error) {
    if (isConditionFailed(error)) return false;
    throw error;
  }
};
