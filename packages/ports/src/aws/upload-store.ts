/** Uploads in DynamoDB: one item each, its document as JSON beside the lease, which no `put` touches. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { GetItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import type { ReceiptId } from "@ebb/core/ids";
import type { Upload, UploadStore } from "../ports.ts";
import type { Item } from "./dynamo.ts";
import { instantKey, newestFirst, takeLease, text } from "./dynamo.ts";
import { calling } from "./errors.ts";

/** Uploads are few: one shard of the `newest` index takes 1,000 changes a second. */
const SHARD = "0";

const uploadOf = (item: Item): Upload => JSON.parse(text(item, "document")) as Upload;

export class DynamoUploadStore implements UploadStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async put(upload: Upload): Promise<void> {
    await calling("writing an upload", () =>
      this.#client.send(
        new UpdateItemCommand({
          TableName: this.#table,
          Key: { pk: { S: upload.uploadId } },
          UpdateExpression: "SET #document = :document, #shard = :shard, #at = :at",
          ExpressionAttributeNames: { "#document": "document", "#shard": "shard", "#at": "at" },
          ExpressionAttributeValues: {
            ":document": { S: JSON.stringify(upload) },
            ":shard": { S: SHARD },
            ":at": { S: instantKey(upload.createdAtMs, upload.uploadId) },
          },
        }),
      ),
    );
  }

  async get(uploadId: ReceiptId): Promise<Upload | undefined> {
    const { Item } = await calling("reading an upload", () =>
      this.#client.send(
        new GetItemCommand({ TableName: this.#table, Key: { pk: { S: uploadId } }, ConsistentRead: true }),
      ),
    );
    return Item === undefined ? undefined : uploadOf(Item);
  }

  async list(query: { limit: number; cursor?: string | undefined }): Promise<{ uploads: Upload[]; cursor?: string }> {
    const { items, ...rest } = await newestFirst(this.#client, this.#table, [SHARD], query);
    return { uploads: items.map(uploadOf), ...rest };
  }

  async lease(uploadId: ReceiptId, owner: string, leaseMs: number, nowMs: number): Promise<boolean> {
    return await takeLease(this.#client, this.#table, { pk: { S: uploadId } }, { owner, leaseMs, nowMs }, true);
  }
}
