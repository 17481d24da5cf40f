/** The trail of batch runs in DynamoDB: one item a run, its document as JSON; and one item that holds the right to run. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DeleteItemCommand, GetItemCommand, PutItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import type { Run, RunStore } from "../batch-ports.ts";
import type { Item } from "./dynamo.ts";
import { instantKey, isConditionFailed, newestFirst, text } from "./dynamo.ts";
import { calling } from "./errors.ts";

/** Runs are few: a day has one or two. */
const SHARD = "0";

/** No run has this name: theirs begin with a date. */
const LOCK: Item = { pk: { S: "lock" } };

const runOf = (item: Item): Run => JSON.parse(text(item, "document")) as Run;

export class DynamoRunStore implements RunStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** The lease ends a lock whose holder is gone for good. Time is the caller's. */
  async lock(runId: string, nowMs: number, leaseMs: number): Promise<boolean> {
    return this.#unlessHeld("taking the right to run", () =>
      this.#client.send(
        new UpdateItemCommand({
          TableName: this.#table,
          Key: LOCK,
          UpdateExpression: "SET holder = :run, untilMs = :until",
          ConditionExpression: "attribute_not_exists(holder) OR holder = :run OR untilMs <= :now",
          ExpressionAttributeValues: {
            ":run": { S: runId },
            ":until": { N: String(nowMs + leaseMs) },
            ":now": { N: String(nowMs) },
          },
        }),
      ),
    );
  }

  async unlock(runId: string): Promise<void> {
    await this.#unlessHeld("giving the right to run back", () =>
      this.#client.send(
        new DeleteItemCommand({
          TableName: this.#table,
          Key: LOCK,
          ConditionExpression: "holder = :run",
          ExpressionAttributeValues: { ":run": { S: runId } },
        }),
      ),
    );
  }

  /** False where another run holds the lock. */
  async #unlessHeld(what: string, call: () => Promise<unknown>): Promise<boolean> {
    try {
      await calling(what, call);
      return true;
    } catch (error) {
      if (isConditionFailed(error)) return false;
      throw error;
    }
  }

  async put(run: Run): Promise<void> {
    await calling("writing a run", () =>
      this.#client.send(
        new PutItemCommand({
          TableName: this.#table,
          Item: {
            pk: { S: run.runId },
            document: { S: JSON.stringify(run) },
            shard: { S: SHARD },
            at: { S: instantKey(run.startedAtMs, run.runId) },
          },
        }),
      ),
    );
  }

  async get(runId: string): Promise<Run | undefined> {
    const { Item } = await calling("reading a run", () =>
      this.#client.send(
        new GetItemCommand({ TableName: this.#table, Key: { pk: { S: runId } }, ConsistentRead: true }),
      ),
    );
    return Item === undefined ? undefined : runOf(Item);
  }

  async list(query: { limit: number; cursor?: string | undefined }): Promise<{ runs: Run[]; cursor?: string }> {
    const { items, ...rest } = await newestFirst(this.#client, this.#table, [SHARD], query);
    return { runs: items.map(runOf), ...rest };
  }
}
