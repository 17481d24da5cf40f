/**
 * Erasures in the suppressions' table: one item an erasure, and until it is done items of the people it is about, some
 * hundreds to an item.
 */
import type { AttributeValue, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
  paginateQuery,
} from "@aws-sdk/client-dynamodb";
import { ErasureReceipt } from "@ebb/core/erasure";
import type { Erasure, ErasureStore, Subject } from "../erasure-ports.ts";
import { InvalidCursor } from "../ports.ts";
import type { Item } from "./dynamo.ts";
import { WIDTH, instantKey, isConditionFailed, newestFirst, number, text } from "./dynamo.ts";
import { calling, chunksOf, mapLimit } from "./errors.ts";

/** Erasures are few. */
const SHARD = "erasures";
const ERASURE = "erasure";
/** An item holds 400 KB. A subject with ten visitors takes 600 bytes. */
const SUBJECTS_AN_ITEM = 100;

const erasureOf = (item: Item): Erasure => ({
  erasureId: text(item, "pk"),
  state: text(item, "state") as Erasure["state"],
  requestedAtMs: number(item, "requestedAtMs"),
  customers: number(item, "customers"),
  ...(item["endedAtMs"] === undefined ? {} : { endedAtMs: number(item, "endedAtMs") }),
  ...(item["step"] === undefined ? {} : { step: text(item, "step") }),
  ...(item["receipt"] === undefined ? {} : { receipt: ErasureReceipt.parse(JSON.parse(text(item, "receipt"))) }),
});

export class DynamoErasures implements ErasureStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** The people first: an erasure that is there has them. */
  async request(erasure: Erasure, subjects: readonly Subject[]): Promise<void> {
    const { erasureId, requestedAtMs, customers } = erasure;
    if ((await this.get(erasureId)) !== undefined) return;
    await this.putSubjects(erasureId, subjects);
    try {
      await calling("noting an erasure", () =>
        this.#client.send(
          new PutItemCommand({
            TableName: this.#table,
            Item: {
              pk: { S: erasureId },
              sk: { S: ERASURE },
              state: { S: "requested" },
              requestedAtMs: { N: String(requestedAtMs) },
              customers: { N: String(customers) },
              shard: { S: SHARD },
              at: { S: instantKey(requestedAtMs, erasureId) },
            },
            ConditionExpression: "attribute_not_exists(pk)",
          }),
        ),
      );
    } catch (error) {
      if (!isConditionFailed(error)) throw error;
    }
  }

  async get(erasureId: string): Promise<Erasure | undefined> {
    const { Item } = await calling("reading an erasure", () =>
      this.#client.send(
        new GetItemCommand({
          TableName: this.#table,
          Key: { pk: { S: erasureId }, sk: { S: ERASURE } },
          ConsistentRead: true,
        }),
      ),
    );
    return Item === undefined ? undefined : erasureOf(Item);
  }

  /** @throws InvalidCursor */
  async list(query: { limit: number; cursor?: string | undefined }): Promise<{ erasures: Erasure[]; cursor?: string }> {
    if (query.cursor === "") throw new InvalidCursor("the cursor was not handed out here");
    const { items, ...rest } = await newestFirst(this.#client, this.#table, [SHARD], query);
    return { erasures: items.map(erasureOf), ...rest };
  }

  async unfinished(): Promise<Erasure[]> {
    const open: Erasure[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await this.list({ limit: 100, cursor });
      open.push(...page.erasures.filter(({ state }) => state !== "done"));
      if (page.cursor === undefined) return open.reverse();
      cursor = page.cursor;
    }
  }

  async subjects(erasureId: string): Promise<Subject[]> {
    const subjects = new Map<string, Subject>();
    for (const item of await this.#subjectItems(erasureId))
      for (const subject of JSON.parse(text(item, "subjects")) as Subject[]) subjects.set(subject.customerKey, subject);
    return [...subjects.values()].sort((a, b) => (a.customerKey < b.customerKey ? -1 : 1));
  }

  /** Subjects that are given again come in the place of what was known of them. */
  async putSubjects(erasureId: string, subjects: readonly Subject[]): Promise<void> {
    const stored = new Map((await this.subjects(erasureId)).map((each) => [each.customerKey, each] as const));
    for (const subject of subjects) stored.set(subject.customerKey, subject);
    const sorted = [...stored.values()].sort((a, b) => (a.customerKey < b.customerKey ? -1 : 1));
    await mapLimit([...chunksOf(sorted, SUBJECTS_AN_ITEM).entries()], WIDTH, ([index, chunk]) =>
      calling("noting whom an erasure is about", () =>
        this.#client.send(
          new PutItemCommand({
            TableName: this.#table,
            Item: { ...subjectKey(erasureId, index), subjects: { S: JSON.stringify(chunk) } },
          }),
        ),
      ),
    );
  }

  async progress(erasureId: string, step: string): Promise<void> {
    await this.#update(erasureId, "SET #state = :running, #step = :step", {
      ":running": { S: "running" },
      ":step": { S: step },
    });
  }

  /** The people go last: an erasure without its receipt still knows them. */
  async end(erasureId: string, receipt: ErasureReceipt, nowMs: number): Promise<void> {
    await this.#update(erasureId, "SET #state = :done, receipt = :receipt, endedAtMs = :now REMOVE #step", {
      ":receipt": { S: JSON.stringify(receipt) },
      ":now": { N: String(nowMs) },
    });
    await mapLimit(await this.#subjectItems(erasureId), WIDTH, ({ pk, sk }) =>
      calling("forgetting whom an erasure was about", () =>
        this.#client.send(new DeleteItemCommand({ TableName: this.#table, Key: { pk: pk!, sk: sk! } })),
      ),
    );
  }

  /** Changes an erasure that is not done. */
  async #update(erasureId: string, expression: string, values: Record<string, AttributeValue>): Promise<void> {
    try {
      await calling("noting how far an erasure is", () =>
        this.#client.send(
          new UpdateItemCommand({
            TableName: this.#table,
            Key: { pk: { S: erasureId }, sk: { S: ERASURE } },
            UpdateExpression: expression,
            ConditionExpression: "#state <> :done",
            ExpressionAttributeNames: { "#state": "state", "#step": "step" },
            ExpressionAttributeValues: { ":done": { S: "done" }, ...values },
          }),
        ),
      );
    } catch (error) {
      if (!isConditionFailed(error)) throw error;
    }
  }

  async #subjectItems(erasureId: string): Promise<Item[]> {
    const items: Item[] = [];
    const pages = paginateQuery(
      { client: this.#client },
      {
        TableName: this.#table,
        KeyConditionExpression: "pk = :erasure AND begins_with(sk, :subjects)",
        ExpressionAttributeValues: { ":erasure": { S: erasureId }, ":subjects": { S: SUBJECTS } },
        ConsistentRead: true,
      },
    )[Symbol.asyncIterator]();
    for (;;) {
      const page = await calling("reading whom an erasure is about", () => pages.next());
      if (page.done === true) return items;
      items.push(...(page.value.Items ?? []));
    }
  }
}

const SUBJECTS = "subjects#";
const subjectKey = (erasureId: string, index: number): Item => ({
  pk: { S: erasureId },
  sk: { S: `${SUBJECTS}${String(index).padStart(6, "0")}` },
});
