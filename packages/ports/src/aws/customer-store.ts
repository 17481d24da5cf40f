/**
 * Customers in one DynamoDB table: the aggregate of a customer (sort key `A`) beside its orders (`O#` + order key), one
 * item each. A write is one TransactWriteItems guarded by the aggregate's version. A transaction takes 100 items, hence
 * `limits.customerWriteOrders`: splitting a write would show an aggregate without its orders or the reverse, so the
 * caller folds larger batches in turns, each of which is a whole and consistent write.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  GetItemCommand,
  PutItemCommand,
  TransactWriteItemsCommand,
  TransactionCanceledException,
  paginateQuery,
  paginateScan,
} from "@aws-sdk/client-dynamodb";
import type { CustomerAggregate, CustomerTotals } from "@ebb/core/customers";
import type { CustomerKey } from "@ebb/core/ids";
import { digest } from "@ebb/core/ids";
import { limits } from "@ebb/core/limits";
import type { OrderKey, OrderRecord } from "@ebb/core/orders";
import type { CutPoints } from "@ebb/core/rfm";
import type { CustomerRead, CustomerState, CustomerStore, CustomerWrite } from "../ports.ts";
import { decodeMonths, decodeOrder, encodeMonths, encodeOrder } from "../customer-codec.ts";
import type { Item } from "./dynamo.ts";
import { TRANSACTION_ITEMS, WIDTH, batchGet, isPassing, number, text, transactGet } from "./dynamo.ts";
import { calling, chunksOf, isTransient, mapLimit } from "./errors.ts";

const AGGREGATE = "A";
const CUT_POINTS: Item = { pk: { S: "cut-points" }, sk: { S: "latest" } };

/** DynamoDB's sort keys end at 1,024 bytes; a longer order key (names in four-byte letters) goes by its hash. */
const ORDER_KEY_BYTES = 1_000;
const orderSortKey = (key: OrderKey): string =>
  Buffer.byteLength(key) <= ORDER_KEY_BYTES ? `O#${key}` : `O##${digest(key)}`;

const aggregateKey = (customerKey: CustomerKey): Item => ({ pk: { S: customerKey }, sk: { S: AGGREGATE } });
const orderItemKey = (customerKey: CustomerKey, key: OrderKey): Item => ({
  pk: { S: customerKey },
  sk: { S: orderSortKey(key) },
});

const aggregateItem = (customer: CustomerAggregate): Item => ({
  ...aggregateKey(customer.customerKey),
  version: { N: String(customer.version) },
  orders: { N: String(customer.orders) },
  gross: { N: String(customer.grossMinor) },
  refund: { N: String(customer.refundMinor) },
  ...(customer.firstOrderAtMs === undefined ? {} : { first: { N: String(customer.firstOrderAtMs) } }),
  ...(customer.lastOrderAtMs === undefined ? {} : { last: { N: String(customer.lastOrderAtMs) } }),
  months: { S: encodeMonths(customer.months) },
});

const totalsOf = (item: Item): CustomerTotals => ({
  customerKey: text(item, "pk") as CustomerKey,
  version: number(item, "version"),
  orders: number(item, "orders"),
  grossMinor: number(item, "gross"),
  refundMinor: number(item, "refund"),
  ...(item["first"] === undefined ? {} : { firstOrderAtMs: number(item, "first") }),
  ...(item["last"] === undefined ? {} : { lastOrderAtMs: number(item, "last") }),
});

const aggregateOf = (item: Item): CustomerAggregate => ({
  ...totalsOf(item),
  months: decodeMonths(text(item, "months")),
});

const orderItem = (customerKey: CustomerKey, record: OrderRecord): Item => ({
  ...orderItemKey(customerKey, record.key),
  order: { S: encodeOrder(record) },
  ...(Buffer.byteLength(record.key) <= ORDER_KEY_BYTES ? {} : { key: { S: record.key } }),
});

const orderOf = (item: Item): OrderRecord =>
  decodeOrder(item["key"] === undefined ? text(item, "sk").slice(2) : text(item, "key"), text(item, "order"));

export class DynamoCustomerStore implements CustomerStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async read(requests: readonly CustomerRead[]): Promise<Map<CustomerKey, CustomerState>> {
    const alone = requests.filter(({ orderKeys }) => orderKeys.length === 0);
    const items = await Promise.all([
      batchGet(
        this.#client,
        this.#table,
        alone.map(({ customerKey }) => aggregateKey(customerKey)),
      ),
      this.#readTogether(requests.filter(({ orderKeys }) => orderKeys.length > 0)),
    ]);
    const states = new Map<CustomerKey, { customer?: CustomerAggregate; orders: Map<OrderKey, OrderRecord> }>();
    for (const { customerKey } of requests) states.set(customerKey, { orders: new Map() });
    for (const item of items.flat()) {
      const state = states.get(text(item, "pk") as CustomerKey)!;
      if (text(item, "sk") === AGGREGATE) state.customer = aggregateOf(item);
      else {
        const record = orderOf(item);
        state.orders.set(record.key, record);
      }
    }
    return states;
  }

  /**
   * Aggregates with orders. These reads must be transactions too: outside of one, a read during another's commit may
   * see the new aggregate beside an old order, and the version that guards the write would not notice.
   */
  async #readTogether(requests: readonly CustomerRead[]): Promise<Item[]> {
    const groups: Item[][] = [];
    for (const { customerKey, orderKeys } of requests) {
      if (orderKeys.length > limits.customerWriteOrders) {
        throw new RangeError(`a read of ${orderKeys.length} orders is more than one transaction takes`);
      }
      // A transaction may not name a key twice.
      const keys = [...new Set(orderKeys)].map((key) => orderItemKey(customerKey, key));
      const last = groups.at(-1);
      if (last === undefined || last.length + keys.length + 1 > TRANSACTION_ITEMS) groups.push([]);
      groups.at(-1)!.push(aggregateKey(customerKey), ...keys);
    }
    return (await mapLimit(groups, WIDTH, (keys) => transactGet(this.#client, this.#table, keys))).flat();
  }

  async write(writes: readonly CustomerWrite[]): Promise<Map<CustomerKey, "written" | "conflict" | "failed">> {
    for (const { orders } of writes) {
      if (orders.length > limits.customerWriteOrders) {
        throw new RangeError(
          `a write of ${orders.length} orders is more than one transaction takes: at most ${limits.customerWriteOrders}`,
        );
      }
    }
    const outcomes = await mapLimit(writes, WIDTH, (write) => this.#writeOne(write));
    return new Map(writes.map(({ customer }, index) => [customer.customerKey, outcomes[index]!]));
  }

  async #writeOne({ customer, orders }: CustomerWrite): Promise<"written" | "conflict" | "failed"> {
    const Put = (Item: Item) => ({ Put: { TableName: this.#table, Item } });
    const guarded = {
      Put: {
        TableName: this.#table,
        Item: aggregateItem(customer),
        ...(customer.version === 1
          ? { ConditionExpression: "attribute_not_exists(pk)" }
          : {
              ConditionExpression: "version = :read",
              ExpressionAttributeValues: { ":read": { N: String(customer.version - 1) } },
            }),
      },
    };
    try {
      await this.#client.send(
        new TransactWriteItemsCommand({
          TransactItems: [guarded, ...orders.map((order) => Put(orderItem(customer.customerKey, order)))],
        }),
      );
      return "written";
    } catch (error) {
      return outcomeOf(error);
    }
  }

  /**
   * A Query alone may see an order as it was before the aggregate that is already there: DynamoDB isolates it from single
   * writes, not from a transaction. It names the orders; a transactional read, which a write in flight cancels, reads
   * them. An order that is about to appear is in neither: the fold sees by the aggregate's count that one is missing.
   */
  async orders(customerKey: CustomerKey): Promise<OrderRecord[]> {
    const keys = await calling("reading a customer's orders", async () => {
      const pages = paginateQuery(
        { client: this.#client },
        {
          TableName: this.#table,
          KeyConditionExpression: "pk = :customer AND begins_with(sk, :order)",
          ExpressionAttributeValues: { ":customer": { S: customerKey }, ":order": { S: "O#" } },
          ProjectionExpression: "pk, sk",
          ConsistentRead: true,
        },
      );
      const found: Item[] = [];
      for await (const page of pages)
        for (const item of page.Items ?? []) found.push({ pk: item["pk"]!, sk: item["sk"]! });
      return found;
    });
    const read = await mapLimit(chunksOf(keys, TRANSACTION_ITEMS), WIDTH, (some) =>
      transactGet(this.#client, this.#table, some),
    );
    return read.flat().map(orderOf);
  }

  async *scan(): AsyncIterable<CustomerTotals> {
    const pages = paginateScan(
      { client: this.#client },
      {
        TableName: this.#table,
        FilterExpression: "sk = :aggregate",
        ExpressionAttributeValues: { ":aggregate": { S: AGGREGATE } },
        ConsistentRead: true,
      },
    )[Symbol.asyncIterator]();
    for (;;) {
      const page = await calling("scanning customers", () => pages.next());
      if (page.done === true) return;
      for (const item of page.value.Items ?? []) yield totalsOf(item);
    }
  }

  async cutPoints(): Promise<CutPoints | undefined> {
    const { Item } = await calling("reading the cut points", () =>
      this.#client.send(new GetItemCommand({ TableName: this.#table, Key: CUT_POINTS, ConsistentRead: true })),
    );
    return Item === undefined ? undefined : (JSON.parse(text(Item, "cuts")) as CutPoints);
  }

  async publishCutPoints(cuts: CutPoints): Promise<void> {
    await calling("publishing the cut points", () =>
      this.#client.send(
        new PutItemCommand({ TableName: this.#table, Item: { ...CUT_POINTS, cuts: { S: JSON.stringify(cuts) } } }),
      ),
    );
  }
}

/**
 * A failed condition is a moved version. A transaction that met another in flight, or a throttled one, left nothing
 * behind and may be tried again. After a timeout the outcome is not known: tried again, it will be found as a conflict.
 */
const outcomeOf = (error: unknown): "conflict" | "failed" => {
  if (error instanceof TransactionCanceledException) {
    const reasons = error.CancellationReasons ?? [];
    if (reasons.some(({ Code }) => Code === "ConditionalCheckFailed")) return "conflict";
    if (isPassing(error)) return "failed";
    throw error;
  }
  if (isTransient(error)) return "failed";
  throw error;
};
