/** What a warm function remembers of profiles, on a DynamoDB that nobody here wrote. */
import assert from "node:assert/strict";
import type { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { CreateTableCommand, DeleteItemCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { sampleCustomerKey } from "../contracts/samples.ts";
import { DynamoProfileStore } from "./profile-store.ts";

const dynalite = createRequire(import.meta.url)("dynalite") as (options: object) => ReturnType<typeof createServer>;
const server = dynalite({ createTableMs: 0 });
let requests = 0;
server.on("request", () => requests++);
let client: DynamoDBClient;
before(async () => {
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  client = new DynamoDBClient({
    region: "us-east-1",
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });
  await client.send(
    new CreateTableCommand({
      TableName: "profiles",
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }],
      AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }],
    }),
  );
});
after(async () => {
  client.destroy();
  await new Promise((closed) => server.close(closed));
});

test("a customer who was erased and let back in is stored again within a minute, also without traits", async () => {
  let nowMs = 1_000_000;
  const store = new DynamoProfileStore(client, "profiles", () => nowMs);
  const customerKey = sampleCustomerKey("ada");
  const seen = () => store.put([{ customerKey, customerId: "ada", traits: {}, updatedAtMs: nowMs }]);
  await seen();
  const before = requests;
  nowMs += 59_999;
  await seen();
  assert.equal(requests, before, "a customer who was just seen costs no request");

  // By another function.
  await client.send(new DeleteItemCommand({ TableName: "profiles", Key: { pk: { S: customerKey } } }));
  nowMs += 1;
  await seen();
  assert.equal((await store.get(customerKey))?.customerId, "ada");
});
