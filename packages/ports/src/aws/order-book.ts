/**
 * What the files that named an order left of it: one DynamoDB item an order, its content compressed. An item
 * ends at 400 KB, so the content of a very large order lies in S3 and the item names it.
 */
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { PutItemCommand } from "@aws-sdk/client-dynamodb";
import type { S3Client } from "@aws-sdk/client-s3";
import { DeleteObjectCommand, GetObjectCommand, NoSuchKey, PutObjectCommand } from "@aws-sdk/client-s3";
import { digest, sha256 } from "@ebb/core/ids";
import type { FileOrder, OrderBook } from "../ports.ts";
import { TransientError } from "../ports.ts";
import type { Item } from "./dynamo.ts";
import { WIDTH, batchGet, isConditionFailed, number, text } from "./dynamo.ts";
import { ATTEMPTS, calling, mapLimit } from "./errors.ts";

/** Below DynamoDB's 400 KB for an item, with room for its key and names. */
const ITEM_CONTENT_BYTES = 350_000;

export class DynamoOrderBook implements OrderBook {
  readonly #dynamo: DynamoDBClient;
  readonly #s3: S3Client;
  readonly #table: string;
  readonly #bucket: string;

  constructor(
    { dynamo, s3 }: { dynamo: DynamoDBClient; s3: S3Client },
    { table, bucket }: { table: string; bucket: string },
  ) {
    this.#dynamo = dynamo;
    this.#s3 = s3;
    this.#table = table;
    this.#bucket = bucket;
  }

  async read(keys: readonly string[]): Promise<Map<string, FileOrder>> {
    const found = new Map<string, FileOrder>();
    let wanted = [...new Set(keys)];
    for (let attempt = 0; wanted.length > 0; attempt++) {
      if (attempt === ATTEMPTS) throw new TransientError(`${wanted.length} orders kept changing while they were read`);
      const items = await batchGet(
        this.#dynamo,
        this.#table,
        wanted.map((key): Item => ({ pk: { S: key } })),
      );
      const orders = await mapLimit(
        items,
        WIDTH,
        async (item) => [text(item, "pk"), await this.#orderOf(item)] as const,
      );
      for (const [key, order] of orders) if (order !== undefined) found.set(key, order);
      // Content that went away belonged to a version that has been replaced since: read that order again.
      wanted = orders.filter(([, order]) => order === undefined).map(([key]) => key);
    }
    return found;
  }

  async write(orders: readonly FileOrder[]): Promise<Map<string, "written" | "conflict">> {
    return new Map(await mapLimit(orders, WIDTH, async (order) => [order.key, await this.#writeOne(order)] as const));
  }

  /** DynamoDB and S3 answer a write once it is durable. */
  async settled(): Promise<void> {}

  async #writeOne(order: FileOrder): Promise<"written" | "conflict"> {
    const content = zstdCompressSync(order.content);
    const stored: Item =
      content.length <= ITEM_CONTENT_BYTES
        ? { content: { B: content } }
        : { object: { S: await this.#putObject(order, content) } };
    try {
      const { Attributes } = await calling("writing an order", () =>
        this.#dynamo.send(
          new PutItemCommand({
            TableName: this.#table,
            Item: { pk: { S: order.key }, version: { N: String(order.version) }, ...stored },
            ReturnValues: "ALL_OLD",
            ...(order.version === 1
              ? { ConditionExpression: "attribute_not_exists(pk)" }
              : {
                  ConditionExpression: "version = :read",
                  ExpressionAttributeValues: { ":read": { N: String(order.version - 1) } },
                }),
          }),
        ),
      );
      const old = Attributes?.["object"]?.S;
      if (old !== undefined) await this.#deleteObject(old);
      return "written";
    } catch (error) {
      if (!isConditionFailed(error)) throw error;
      // The object of a lost race stays: it may be that of our own earlier attempt, which did win.
      return "conflict";
    }
  }

  async #orderOf(item: Item): Promise<FileOrder | undefined> {
    const inline = item["content"]?.B;
    const content = inline ?? (await this.#getObject(text(item, "object")));
    if (content === undefined) return undefined;
    return {
      key: text(item, "pk"),
      version: number(item, "version"),
      content: zstdDecompressSync(content).toString("utf8"),
    };
  }

  /** Named by content too, so that of two writers of one version none overwrites the other's. */
  async #putObject({ key, version }: FileOrder, content: Buffer): Promise<string> {
    const object = `order-book/${digest(key)}/${version}-${sha256(content.toString("base64")).slice(0, 16)}.json.zst`;
    await calling("writing a large order", () =>
      this.#s3.send(new PutObjectCommand({ Bucket: this.#bucket, Key: object, Body: content })),
    );
    return object;
  }

  async #getObject(object: string): Promise<Uint8Array | undefined> {
    try {
      return await calling("reading a large order", async () => {
        const { Body } = await this.#s3.send(new GetObjectCommand({ Bucket: this.#bucket, Key: object }));
        return await Body!.transformToByteArray();
      });
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      throw error;
    }
  }

  async #deleteObject(object: string): Promise<void> {
    await calling("deleting a replaced order", () =>
      this.#s3.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: object })),
    );
  }
}
