/** Transactions, limits and what calls are said to cost. */
import * as dynamo from "@aws-sdk/client-dynamodb";
import type { Check, Clients } from "./check.ts";
import { refusal } from "./check.ts";

let tables = 0;
const table = async ({ dynamo: client }: Clients): Promise<string> => {
  const TableName = `probe-${tables++}`;
  await client.send(
    new dynamo.CreateTableCommand({
      TableName,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "sk", KeyType: "RANGE" },
      ],
      AttributeDefinitions: ["pk", "sk", "shard", "at"].map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
      GlobalSecondaryIndexes: [
        {
          IndexName: "newest",
          KeySchema: [
            { AttributeName: "shard", KeyType: "HASH" },
            { AttributeName: "at", KeyType: "RANGE" },
          ],
          Projection: { ProjectionType: "ALL" },
        },
      ],
    }),
  );
  return TableName;
};

type Items = Record<string, dynamo.AttributeValue>;
const item = (pk: string, sk: string, more: Items = {}): Items => ({ pk: { S: pk }, sk: { S: sk }, ...more });
const put = (TableName: string, Item: Items, condition?: string) => ({
  Put: { TableName, Item, ...(condition === undefined ? {} : { ConditionExpression: condition }) },
});
const transact = (client: dynamo.DynamoDBClient, ...TransactItems: dynamo.TransactWriteItem[]) =>
  client.send(new dynamo.TransactWriteItemsCommand({ TransactItems, ReturnConsumedCapacity: "TOTAL" }));

const DYNAMO = ["moto", "ministack", "dynalite"] as const;

export const dynamoChecks: readonly Check[] = [
  {
    service: "DynamoDB",
    what: "a failed condition leaves nothing of a transaction",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      await clients.dynamo.send(new dynamo.PutItemCommand({ TableName: name, Item: item("a", "1") }));
      let codes = "accepted";
      try {
        await transact(
          clients.dynamo,
          put(name, item("b", "1")),
          put(name, item("a", "1"), "attribute_not_exists(pk)"),
        );
      } catch (error) {
        if (!(error instanceof dynamo.TransactionCanceledException)) throw error;
        codes = (error.CancellationReasons ?? []).map(({ Code }) => Code ?? "-").join(", ");
      }
      const left = await clients.dynamo.send(new dynamo.GetItemCommand({ TableName: name, Key: item("b", "1") }));
      return `${left.Item === undefined ? "yes" : "NO: half of it stays"} (${codes})`;
    },
  },
  {
    service: "DynamoDB",
    what: "of 40 transactions that race for one version, winners (AWS: 1, items left: 2)",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      const race = Array.from({ length: 40 }, (_, index) =>
        transact(
          clients.dynamo,
          put(name, item("a", "A"), "attribute_not_exists(pk)"),
          put(name, item("a", `O${index}`)),
        ).then(
          () => 1,
          (error: unknown) => {
            if (error instanceof dynamo.TransactionCanceledException) return 0;
            throw error;
          },
        ),
      );
      const winners = (await Promise.all(race)).reduce<number>((sum, won) => sum + won, 0);
      const { Count } = await clients.dynamo.send(new dynamo.ScanCommand({ TableName: name }));
      return `${winners}, items left: ${Count}`;
    },
  },
  {
    service: "DynamoDB",
    what: "TransactGetItems",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      await clients.dynamo.send(new dynamo.PutItemCommand({ TableName: name, Item: item("a", "1") }));
      const { Responses } = await clients.dynamo.send(
        new dynamo.TransactGetItemsCommand({
          TransactItems: ["1", "2"].map((sk) => ({ Get: { TableName: name, Key: item("a", sk) } })),
        }),
      );
      return (Responses ?? []).map((one) => (one.Item === undefined ? "absent" : "found")).join(", ");
    },
  },
  {
    service: "DynamoDB",
    what: "TransactGetItems of 100 keys",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      const TransactItems = Array.from({ length: 100 }, (_, index) => ({
        Get: { TableName: name, Key: item("a", String(index)) },
      }));
      return refusal(() => clients.dynamo.send(new dynamo.TransactGetItemsCommand({ TransactItems })));
    },
  },
  {
    service: "DynamoDB",
    what: "64 writers add to one counter by read, transaction, try again: counted (AWS: 64)",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      const Key = item("a", "A");
      const writer = async (number: number): Promise<void> => {
        for (;;) {
          const { Item } = await clients.dynamo.send(
            new dynamo.GetItemCommand({ TableName: name, Key, ConsistentRead: true }),
          );
          const read = Number(Item?.["n"]?.N ?? 0);
          const guarded = put(name, { ...Key, n: { N: String(read + 1) } });
          try {
            await transact(
              clients.dynamo,
              read === 0
                ? { Put: { ...guarded.Put, ConditionExpression: "attribute_not_exists(pk)" } }
                : {
                    Put: {
                      ...guarded.Put,
                      ConditionExpression: "n = :read",
                      ExpressionAttributeValues: { ":read": { N: String(read) } },
                    },
                  },
              put(name, item("a", `O${number}`)),
            );
            return;
          } catch (error) {
            if (!(error instanceof dynamo.TransactionCanceledException)) throw error;
          }
        }
      };
      await Promise.all(Array.from({ length: 64 }, (_, number) => writer(number)));
      const { Item } = await clients.dynamo.send(new dynamo.GetItemCommand({ TableName: name, Key }));
      const { Count = 0 } = await clients.dynamo.send(new dynamo.ScanCommand({ TableName: name }));
      return `${Item?.["n"]?.N}, items ${Count - 1}`;
    },
  },
  {
    service: "DynamoDB",
    what: "a transaction of 101 items",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      const items = Array.from({ length: 101 }, (_, index) => put(name, item("a", String(index))));
      return refusal(() => transact(clients.dynamo, ...items));
    },
  },
  {
    service: "DynamoDB",
    what: "one key twice in a transaction",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      return refusal(() => transact(clients.dynamo, put(name, item("a", "1")), put(name, item("a", "1"))));
    },
  },
  {
    service: "DynamoDB",
    what: "an item over 400 KB",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      const large = item("a", "1", { large: { S: "x".repeat(410 * 1024) } });
      return refusal(() => clients.dynamo.send(new dynamo.PutItemCommand({ TableName: name, Item: large })));
    },
  },
  {
    service: "DynamoDB",
    what: "a sort key over 1,024 bytes",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      return refusal(() =>
        clients.dynamo.send(new dynamo.PutItemCommand({ TableName: name, Item: item("a", "x".repeat(1_025)) })),
      );
    },
  },
  {
    service: "DynamoDB",
    what: "capacity told for a transaction of two small items (AWS: 4)",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      const { ConsumedCapacity } = await transact(clients.dynamo, put(name, item("a", "1")), put(name, item("a", "2")));
      return (ConsumedCapacity ?? []).map(({ CapacityUnits }) => String(CapacityUnits)).join(", ") || "nothing";
    },
  },
  {
    service: "DynamoDB",
    what: "capacity told for putting an item of 2.5 KB (AWS: 3)",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      const Item = item("a", "1", { body: { S: "x".repeat(2_500) } });
      const { ConsumedCapacity } = await clients.dynamo.send(
        new dynamo.PutItemCommand({ TableName: name, Item, ReturnConsumedCapacity: "TOTAL" }),
      );
      return String(ConsumedCapacity?.CapacityUnits ?? "nothing");
    },
  },
  {
    service: "DynamoDB",
    what: "a sparse index, newest first, by a range",
    on: DYNAMO,
    look: async (clients) => {
      const name = await table(clients);
      for (const [sk, at] of [
        ["1", "1"],
        ["2", "2"],
        ["3", undefined],
        ["4", "3"],
      ] as const) {
        const more: Items = at === undefined ? {} : { shard: { S: "0" }, at: { S: at } };
        await clients.dynamo.send(new dynamo.PutItemCommand({ TableName: name, Item: item("a", sk, more) }));
      }
      const { Items: found = [] } = await clients.dynamo.send(
        new dynamo.QueryCommand({
          TableName: name,
          IndexName: "newest",
          KeyConditionExpression: "#shard = :s AND #at < :c",
          ExpressionAttributeNames: { "#shard": "shard", "#at": "at" },
          ExpressionAttributeValues: { ":s": { S: "0" }, ":c": { S: "3" } },
          ScanIndexForward: false,
        }),
      );
      return found.map((one) => one["sk"]?.S).join(", ") === "2, 1" ? "yes" : `NO: ${JSON.stringify(found)}`;
    },
  },
];
