/**
 * What DynamoDB would charge for the calls of a client, by its documented rules, since emulators differ in what they
 * report: Developer Guide, "DynamoDB item sizes and formats" and "Read and write operations". A write takes one unit a
 * KB begun, in a transaction two; an index takes a standard write of its projection; a consistent read takes one unit
 * for 4 KB begun, in a transaction two.
 */
import type { AttributeValue, DynamoDBClient, TransactWriteItem } from "@aws-sdk/client-dynamodb";
import { newestIndex } from "@ebb/ports/aws/tables";

export type Item = Readonly<Record<string, AttributeValue>>;

export interface Usage {
  writeRequests: number;
  writeUnits: number;
  /** Write units of the tables' indexes. */
  indexUnits: number;
  readRequests: number;
  readUnits: number;
  itemsWritten: number;
  transactions: number;
}

const valueBytes = (value: AttributeValue): number => {
  if (value.S !== undefined) return Buffer.byteLength(value.S);
  // About one byte for two significant digits, and one.
  if (value.N !== undefined) return Math.ceil(value.N.replace(/\D/g, "").replace(/^0+|0+$/g, "").length / 2) + 1;
  if (value.B !== undefined) return value.B.length;
  if (value.M !== undefined) return 3 + Object.keys(value.M).length + itemBytes(value.M);
  if (value.L !== undefined) return 3 + value.L.reduce((sum, one) => sum + 1 + valueBytes(one), 0);
  if (value.SS !== undefined) return value.SS.reduce((sum, one) => sum + Buffer.byteLength(one), 0);
  return 1;
};

export const itemBytes = (item: Item): number =>
  Object.entries(item).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + valueBytes(value), 0);

export const writeUnits = (bytes: number): number => Math.max(1, Math.ceil(bytes / 1_024));
export const readUnits = (bytes: number): number => Math.max(1, Math.ceil(bytes / 4_096));

interface Reads {
  readonly Responses?: readonly { readonly Item?: Item }[] | Readonly<Record<string, readonly Item[]>>;
  readonly Items?: readonly Item[];
  readonly Item?: Item;
}

/** Counts every call of a client from here on. @throws Error on a write that it does not know the price of */
export const metered = (client: DynamoDBClient): Usage => {
  const usage: Usage = {
    writeRequests: 0,
    writeUnits: 0,
    indexUnits: 0,
    readRequests: 0,
    readUnits: 0,
    itemsWritten: 0,
    transactions: 0,
  };
  client.middlewareStack.add(
    (next, { commandName = "" }) =>
      async (args) => {
        const answer = await next(args);
        if (commandName === "TransactWriteItemsCommand") {
          const { TransactItems } = args.input as { TransactItems: readonly TransactWriteItem[] };
          usage.writeRequests++;
          usage.transactions++;
          for (const { Put } of TransactItems) {
            if (Put?.Item === undefined) throw new Error("only puts are counted in transactions");
            usage.itemsWritten++;
            usage.writeUnits += 2 * writeUnits(itemBytes(Put.Item));
          }
        } else if (commandName === "PutItemCommand") {
          const { Item } = args.input as { Item: Item };
          usage.writeRequests++;
          usage.itemsWritten++;
          usage.writeUnits += writeUnits(itemBytes(Item));
          // The index `newest` holds the items that have its key, whole.
          if (Item[newestIndex.hashKey] !== undefined) usage.indexUnits += writeUnits(itemBytes(Item));
        } else if (/^(Transact|Batch)?Get|^Query/.test(commandName)) {
          const { Responses = {}, Items = [], Item } = answer.output as Reads;
          const found = isList(Responses)
            ? Responses.map((response) => response.Item).filter((item) => item !== undefined)
            : Object.values(Responses).flat();
          const asked = keysAsked(args.input);
          const items = [...found, ...Items, ...(Item === undefined ? [] : [Item])];
          const factor = commandName.startsWith("Transact") ? 2 : 1;
          usage.readRequests++;
          // A key that is not there costs a unit as well.
          const units = items.reduce((sum, one) => sum + readUnits(itemBytes(one)), 0);
          usage.readUnits += factor * (units + Math.max(0, asked - items.length));
        } else throw new Error(`${commandName} has no price here`);
        return answer;
      },
    { step: "initialize", name: "meter" },
  );
  return usage;
};

type Responses = NonNullable<Reads["Responses"]>;
const isList = (responses: Responses): responses is Extract<Responses, readonly unknown[]> => Array.isArray(responses);

const keysAsked = (input: object): number => {
  if ("TransactItems" in input) return (input.TransactItems as readonly unknown[]).length;
  if ("RequestItems" in input)
    return Object.values(input.RequestItems as Record<string, { Keys: readonly unknown[] }>).reduce(
      (sum, { Keys }) => sum + Keys.length,
      0,
    );
  return 0;
};
