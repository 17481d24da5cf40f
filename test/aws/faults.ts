/**
 * Faults that no emulator makes by itself, put between the SDK and the emulator: what the service did and what the
 * client hears of it come apart, as they do in AWS.
 */
import type { BatchGetItemCommandInput, BatchGetItemCommandOutput, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { ProvisionedThroughputExceededException, TransactionCanceledException } from "@aws-sdk/client-dynamodb";
import type { KinesisClient, PutRecordsCommandInput, PutRecordsCommandOutput } from "@aws-sdk/client-kinesis";

export type Chance = () => number;

/** Mulberry32: the same numbers for the same seed. */
export const seeded = (seed: number): Chance => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** A connection that was lost: the client cannot know whether the service did what it was asked. */
const lost = (): Error => Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });

/** Kinesis refuses single records of a call with `ProvisionedThroughputExceededException`, inside a 200. */
export const throttleRecords = (client: KinesisClient, share: number, chance: Chance): void => {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      if (context.commandName !== "PutRecordsCommand") return next(args);
      const input = args.input as PutRecordsCommandInput;
      const all = input.Records ?? [];
      const refused = all.map(() => chance() < share);
      const Records = all.filter((_, index) => !refused[index]);
      const answer = Records.length === 0 ? undefined : await next({ ...args, input: { ...input, Records } });
      const output = answer?.output as PutRecordsCommandOutput | undefined;
      let taken = 0;
      const results = refused.map((one) =>
        one
          ? { ErrorCode: "ProvisionedThroughputExceededException", ErrorMessage: "Rate exceeded for shard" }
          : output!.Records![taken++]!,
      );
      return {
        response: answer?.response,
        output: {
          $metadata: output?.$metadata ?? {},
          FailedRecordCount: refused.filter(Boolean).length,
          Records: results,
        },
      };
    },
    { step: "initialize" },
  );
};

export interface DynamoFaults {
  /** Share of writing transactions that meet another one in flight: nothing is written. */
  readonly conflicts?: number;
  /** Share of reading transactions that meet a writing one in flight: nothing is answered. */
  readonly readConflicts?: number;
  /** Share of calls of any kind that are refused for their number, after all tries of the SDK. */
  readonly throttled?: number;
  /** Share of transactions whose answer is lost after they took effect. */
  readonly lostAnswers?: number;
  /** Share of the keys of a batch that is left unread. */
  readonly unprocessed?: number;
}

/** A transaction was cancelled because an item of it is in another one. */
export const inFlight = (): TransactionCanceledException =>
  new TransactionCanceledException({
    $metadata: { httpStatusCode: 400 },
    message: "Transaction cancelled, please refer cancellation reasons for specific reasons [TransactionConflict]",
    CancellationReasons: [{ Code: "TransactionConflict" }],
  });

const throttled = (): ProvisionedThroughputExceededException =>
  new ProvisionedThroughputExceededException({
    $metadata: { httpStatusCode: 400 },
    message: "The level of configured provisioned throughput for the table was exceeded.",
  });

export const disturb = (client: DynamoDBClient, faults: DynamoFaults, chance: Chance): void => {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      if (faults.throttled !== undefined && chance() < faults.throttled) throw throttled();
      if (context.commandName === "TransactGetItemsCommand" && faults.readConflicts !== undefined) {
        if (chance() < faults.readConflicts) throw inFlight();
      }
      if (context.commandName === "TransactWriteItemsCommand") {
        if (chance() < (faults.conflicts ?? 0)) throw inFlight();
        const answer = await next(args);
        if (chance() < (faults.lostAnswers ?? 0)) throw lost();
        return answer;
      }
      if (context.commandName === "BatchGetItemCommand" && faults.unprocessed !== undefined) {
        return leaveUnread(args, next, faults.unprocessed, chance);
      }
      return next(args);
    },
    { step: "initialize" },
  );
};

const leaveUnread = async <Args extends { input: object }, Answer extends { output: object }>(
  args: Args,
  next: (args: Args) => Promise<Answer>,
  share: number,
  chance: Chance,
): Promise<Answer> => {
  const [[table, wanted]] = Object.entries((args.input as BatchGetItemCommandInput).RequestItems ?? {}) as [
    [string, { Keys: object[] }],
  ];
  const left = wanted.Keys.filter(() => chance() < share);
  const asked = wanted.Keys.filter((key) => !left.includes(key));
  // A call without keys is invalid: one is read always.
  if (asked.length === 0) asked.push(left.pop()!);
  const answer = await next({ ...args, input: { RequestItems: { [table]: { ...wanted, Keys: asked } } } });
  const output = answer.output as BatchGetItemCommandOutput;
  return {
    ...answer,
    output: { ...output, UnprocessedKeys: left.length === 0 ? {} : { [table]: { Keys: left } } },
  };
};
