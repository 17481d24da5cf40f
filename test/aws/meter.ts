/** Counts what DynamoDB calls cost, by asking the service with each call (`ReturnConsumedCapacity: INDEXES`). */
import type { ConsumedCapacity, DynamoDBClient } from "@aws-sdk/client-dynamodb";

export interface Meter {
  writeRequests: number;
  readRequests: number;
  /** Of the tables, those of their indexes apart. */
  writeUnits: number;
  indexWriteUnits: number;
  readUnits: number;
}

export const meterOf = (client: DynamoDBClient): Meter => {
  const meter: Meter = { writeRequests: 0, readRequests: 0, writeUnits: 0, indexWriteUnits: 0, readUnits: 0 };
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const answer = await next({ ...args, input: { ...args.input, ReturnConsumedCapacity: "INDEXES" } });
      const writes = /^(Put|Update|Delete|TransactWrite|BatchWrite)/.test(context.commandName ?? "");
      const { ConsumedCapacity: told } = answer.output as { ConsumedCapacity?: ConsumedCapacity | ConsumedCapacity[] };
      for (const one of told === undefined ? [] : [told].flat()) {
        const index = Object.values(one.GlobalSecondaryIndexes ?? {}).reduce(
          (sum, each) => sum + (each.CapacityUnits ?? 0),
          0,
        );
        if (writes) {
          meter.writeUnits += (one.CapacityUnits ?? 0) - index;
          meter.indexWriteUnits += index;
        } else meter.readUnits += one.CapacityUnits ?? 0;
      }
      if (writes) meter.writeRequests++;
      else meter.readRequests++;
      return answer;
    },
    { step: "initialize" },
  );
  return meter;
};

const numberBytes = (value: string): number => Math.ceil(value.replace(/^-|\.|0+$/g, "").length / 2) + 1;

/**
 * Size of an item by DynamoDB's own rules (developer guide, "DynamoDB item sizes and formats"): names and texts in UTF-8,
 * numbers one byte for two digits and one more.
 */
export const itemBytes = (item: Readonly<Record<string, { S?: string; N?: string; B?: Uint8Array }>>): number =>
  Object.entries(item).reduce(
    (sum, [name, { S, N, B }]) =>
      sum +
      Buffer.byteLength(name) +
      (S === undefined ? 0 : Buffer.byteLength(S)) +
      (N === undefined ? 0 : numberBytes(N)) +
      (B?.length ?? 0),
    0,
  );

/** Write units of an item that is put alone: one for each begun KB. In a transaction it takes twice as many. */
export const writeUnits = (bytes: number): number => Math.max(1, Math.ceil(bytes / 1_024));
