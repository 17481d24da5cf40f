/**
 * The window that DynamoDB documents and no emulator has ("Isolation levels": a Query beside TransactWriteItems is read
 * committed): a transaction is decided, some of its items are written and others are about to be. An ordinary read still
 * sees those as they were; a transaction that names one of them is cancelled.
 */
import type {
  DynamoDBClient,
  QueryCommandOutput,
  TransactGetItemsCommandInput,
  TransactWriteItemsCommandInput,
} from "@aws-sdk/client-dynamodb";
import { TransactGetItemsCommand } from "@aws-sdk/client-dynamodb";
import type { Item } from "@ebb/ports/aws/dynamo";
import { type Chance, inFlight } from "./faults.ts";

/** Calls that meet an item before it is written. */
const SIGHTINGS = 2;

interface Pending {
  /** Absent = the transaction brings the item. */
  readonly before: Item | undefined;
  sightings: number;
}

const nameOf = (item: Item): string => `${item["pk"]!.S} ${item["sk"]!.S}`;

/**
 * Holds orders back behind their aggregate.
 * @param calm a client that sees what is stored
 * @param share of the transactions that are left half visible
 */
export const leaveHalfVisible = (client: DynamoDBClient, calm: DynamoDBClient, share: number, chance: Chance): void => {
  const pending = new Map<string, Pending>();
  const sight = (item: Item): Pending | undefined => {
    const name = nameOf(item);
    const found = pending.get(name);
    if (found !== undefined && --found.sightings === 0) pending.delete(name);
    return found;
  };
  const meet = (items: readonly Item[]): void => {
    // All are sighted, not the first alone.
    if (items.map(sight).some((found) => found !== undefined)) throw inFlight();
  };
  client.middlewareStack.add(
    (next, context) => async (args) => {
      if (context.commandName === "TransactGetItemsCommand") {
        const { TransactItems = [] } = args.input as TransactGetItemsCommandInput;
        meet(TransactItems.map(({ Get }) => Get!.Key!));
      }
      if (context.commandName === "QueryCommand") {
        const answer = await next(args);
        const output = answer.output as QueryCommandOutput;
        const Items = (output.Items ?? []).flatMap((item) => {
          const found = sight(item);
          if (found === undefined) return [item];
          return found.before === undefined ? [] : [found.before];
        });
        return { ...answer, output: { ...output, Items } };
      }
      if (context.commandName !== "TransactWriteItemsCommand") return next(args);
      const { TransactItems = [] } = args.input as TransactWriteItemsCommandInput;
      const [, ...orders] = TransactItems.map(({ Put }) => Put!);
      meet(orders.map(({ Item }) => Item!));
      const held = chance() < share ? orders.filter(() => chance() < 0.5) : [];
      if (held.length === 0) return next(args);
      // As they stood at the version that guards the write: if it succeeds, nobody else has written in between.
      const { Responses = [] } = await calm.send(
        new TransactGetItemsCommand({
          TransactItems: held.map(({ TableName, Item }) => ({
            Get: { TableName, Key: { pk: Item!["pk"]!, sk: Item!["sk"]! } },
          })),
        }),
      );
      const answer = await next(args);
      for (const [index, { Item }] of held.entries())
        pending.set(nameOf(Item!), { before: Responses[index]?.Item, sightings: SIGHTINGS });
      return answer;
    },
    { step: "initialize" },
  );
};
