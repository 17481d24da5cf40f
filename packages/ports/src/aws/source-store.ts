/**
 * Where each source stands, in DynamoDB: one item a source, its state as JSON beside the lease, which no `put` touches, and
 * one item for each load that ended, by a number that counts up.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import type { LoadEnd, SourceState, SourceStore } from "../source-ports.ts";
import { type Item, number, takeLease, text } from "./dynamo.ts";
import { calling } from "./errors.ts";

/** Ends that are kept for each source. */
const KEPT_ENDS = 200;

const stateKey = (name: string): Item => ({ pk: { S: name }, sk: { S: "state" } });
const endKey = (name: string, at: number): Item => ({
  pk: { S: name },
  sk: { S: `end#${String(at).padStart(12, "0")}` },
});

export class DynamoSourceStore implements SourceStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async get(name: string): Promise<SourceState | undefined> {
    const { Item } = await calling("reading a source", () =>
      this.#client.send(new GetItemCommand({ TableName: this.#table, Key: stateKey(name), ConsistentRead: true })),
    );
    return Item?.["document"] === undefined ? undefined : (JSON.parse(text(Item, "document")) as SourceState);
  }

  async put(state: SourceState): Promise<void> {
    await calling("writing a source", () =>
      this.#client.send(
        new UpdateItemCommand({
          TableName: this.#table,
          Key: stateKey(state.name),
          UpdateExpression: "SET #document = :document",
          ExpressionAttributeNames: { "#document": "document" },
          ExpressionAttributeValues: { ":document": { S: JSON.stringify(state) } },
        }),
      ),
    );
  }

  async lease(name: string, owner: string, leaseMs: number, nowMs: number): Promise<boolean> {
    return await takeLease(this.#client, this.#table, stateKey(name), { owner, leaseMs, nowMs }, false);
  }

  /** A stop between the two writes leaves a number without an end. */
  async ended(name: string, end: LoadEnd): Promise<void> {
    const { Attributes = {} } = await calling("counting a load", () =>
      this.#client.send(
        new UpdateItemCommand({
          TableName: this.#table,
          Key: stateKey(name),
          UpdateExpression: "ADD endCount :one",
          ExpressionAttributeValues: { ":one": { N: "1" } },
          ReturnValues: "UPDATED_NEW",
        }),
      ),
    );
    const at = number(Attributes, "endCount");
    await calling("writing the end of a load", () =>
      this.#client.send(
        new PutItemCommand({
          TableName: this.#table,
          Item: { ...endKey(name, at), document: { S: JSON.stringify(end) } },
        }),
      ),
    );
    if (at <= KEPT_ENDS) return;
    await calling("forgetting the end of a load", () =>
      this.#client.send(new DeleteItemCommand({ TableName: this.#table, Key: endKey(name, at - KEPT_ENDS) })),
    );
  }

  async ends(name: string, limit: number): Promise<readonly LoadEnd[]> {
    const { Items = [] } = await calling("listing the ends of loads", () =>
      this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "pk = :name AND begins_with(sk, :end)",
          ExpressionAttributeValues: { ":name": { S: name }, ":end": { S: "end#" } },
          ScanIndexForward: false,
          Limit: limit,
          ConsistentRead: true,
        }),
      ),
    );
    return Items.map((item) => JSON.parse(text(item, "document")) as LoadEnd);
  }
}
