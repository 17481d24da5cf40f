/**
 * What batch runs say of customers, in the customers' table under a sort key of their own (`S`): whoever reads or erases
 * a customer finds it there, and a write of it touches no item that the stream writes.
 */
import type { DynamoDBClient, WriteRequest } from "@aws-sdk/client-dynamodb";
import { BatchWriteItemCommand, GetItemCommand } from "@aws-sdk/client-dynamodb";
import type { CustomerScores, ScoreStore, ScoresDocument } from "../batch-ports.ts";
import { TransientError } from "../ports.ts";
import type { Item } from "./dynamo.ts";
import { WIDTH, text } from "./dynamo.ts";
import { ATTEMPTS, backOff, calling, chunksOf, mapLimit } from "./errors.ts";

const SCORES = "S";

/** Items that one BatchWriteItem takes. */
const BATCH_ITEMS = 25;

const keyOf = (customerKey: string): Item => ({ pk: { S: customerKey }, sk: { S: SCORES } });

export class DynamoScoreStore implements ScoreStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async putScores(scores: readonly ScoresDocument[]): Promise<void> {
    const requests = scores.map(({ customerKey, document }): WriteRequest => ({
      PutRequest: { Item: { ...keyOf(customerKey), scores: { S: document } } },
    }));
    await mapLimit(chunksOf(requests, BATCH_ITEMS), WIDTH, (chunk) => this.#putAll(chunk));
  }

  /** What the service leaves out is written again. */
  async #putAll(chunk: WriteRequest[]): Promise<void> {
    let wanted = chunk;
    for (let attempt = 0; wanted.length > 0; attempt++) {
      if (attempt === ATTEMPTS) throw new TransientError(`${this.#table} left ${wanted.length} scores unwritten`);
      if (attempt > 0) await backOff(attempt);
      const asked = wanted;
      const { UnprocessedItems } = await calling("writing scores", () =>
        this.#client.send(new BatchWriteItemCommand({ RequestItems: { [this.#table]: asked } })),
      );
      wanted = UnprocessedItems?.[this.#table] ?? [];
    }
  }

  async scores(customerKey: string): Promise<CustomerScores | undefined> {
    const { Item } = await calling("reading scores", () =>
      this.#client.send(new GetItemCommand({ TableName: this.#table, Key: keyOf(customerKey), ConsistentRead: true })),
    );
    return Item === undefined ? undefined : (JSON.parse(text(Item, "scores")) as CustomerScores);
  }
}
