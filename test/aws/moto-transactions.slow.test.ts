// In the slow lane: moto copies its tables for each transaction. Of the 64 writers of one customer that MiniStack and the
// store of one machine are given it gets 16: each waits for all others, and 64 took it a minute at rest.
import { after } from "node:test";
import type {
  DynamoDBClient,
  TransactGetItemsCommandInput,
  TransactGetItemsCommandOutput,
} from "@aws-sdk/client-dynamodb";
import { chunksOf } from "@ebb/ports/aws/errors";
import { createAccount } from "./account.ts";
import { startEmulator } from "./emulators.ts";
import { customerContracts } from "./lanes.ts";

/** moto keeps the limit of 25 items that DynamoDB had until 2022: longer reads are handed to it in pieces. */
const MOTO_KEYS = 25;
const inPieces = (client: DynamoDBClient): void => {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const { TransactItems = [] } = args.input as Partial<TransactGetItemsCommandInput>;
      if (context.commandName !== "TransactGetItemsCommand" || TransactItems.length <= MOTO_KEYS) return next(args);
      const answers = [];
      for (const piece of chunksOf(TransactItems, MOTO_KEYS)) {
        answers.push(await next({ ...args, input: { ...args.input, TransactItems: piece } }));
      }
      const outputs = answers.map(({ output }) => output as TransactGetItemsCommandOutput);
      const output = { ...outputs[0], Responses: outputs.flatMap(({ Responses = [] }) => Responses) };
      return { ...answers[0], output } as Awaited<ReturnType<typeof next>>;
    },
    { step: "initialize" },
  );
};

const moto = await startEmulator("moto");
after(() => moto.stop());
const account = await createAccount({ dynamodb: moto, s3: moto, kinesis: moto });
customerContracts("AWS adapter on moto", account, ({ dynamo }) => inPieces(dynamo), 16);
