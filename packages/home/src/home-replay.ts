/** Replays that a running home makes: of its quarantine by the handler that does so in AWS, of its dead letters by score. */
import { setTimeout as delay } from "node:timers/promises";
import { type ReplayAnswer, make } from "@ebb/functions/collect/replay-quarantined";
import type { Ports } from "@ebb/ports";
import { z } from "zod";
import type { TaskWork } from "./home-tasks.ts";

const Query = z.object({
  from: z.enum(["quarantine", "dead-letters"]),
  id: z.string(),
  code: z.string().optional(),
  receipt: z.string().optional(),
  since: z.coerce.number().optional(),
});

export interface Replayed {
  readonly replayId: string;
  readonly appended: number;
  readonly refused: number;
  readonly passedOver: Readonly<Record<string, number>>;
}

/** One call of the handler: others have their turn between two. */
const CALL_MS = 12_000;
const LOOK_AGAIN_MS = 200;

/** @param redeliver brings a Kinesis event to the score stage; rejects when it fails on it again */
export const replayTask = (
  ports: Ports,
  redeliver: (event: unknown) => Promise<void>,
  query: Readonly<Record<string, string>>,
): TaskWork => {
  const asked = Query.parse(query);
  return asked.from === "quarantine"
    ? (progress) => ofQuarantine(ports, asked, progress)
    : (progress) => ofDeadLetters(ports, redeliver, asked.id, progress);
};

const ofQuarantine = async (
  ports: Ports,
  { id, code, receipt, since }: z.infer<typeof Query>,
  progress: Parameters<TaskWork>[0],
): Promise<Replayed> => {
  const handle = make(ports);
  const request = {
    replayId: id,
    ...(code === undefined ? {} : { code }),
    ...(receipt === undefined ? {} : { receiptId: receipt }),
    ...(since === undefined ? {} : { sinceMs: since }),
  };
  const counts = await ports.quarantine.counts({ receiptId: receipt as never });
  const total = Math.max(
    1,
    Object.values(counts).reduce((sum, count) => sum + count, 0),
  );
  for (;;) {
    const endMs = performance.now() + CALL_MS;
    const answer: ReplayAnswer = await handle(request, { getRemainingTimeInMillis: () => endMs - performance.now() });
    const done = answer.appended + answer.refused;
    progress(done, Math.min(1, done / total));
    const { appended, refused, passedOver } = answer;
    if (answer.done) return { replayId: id, appended, refused, passedOver };
    if (answer.waiting > 0) await delay(LOOK_AGAIN_MS);
  }
};

const DEAD_LETTERS = "failed/score/";
const DeadLetter = z.object({ payload: z.string() });

/** A dead letter goes when its effect is durable: one that was folded and not removed yet is folded again to no effect. */
const ofDeadLetters = async (
  { objects }: Pick<Ports, "objects">,
  redeliver: (event: unknown) => Promise<void>,
  replayId: string,
  progress: Parameters<TaskWork>[0],
): Promise<Replayed> => {
  const keys: string[] = [];
  for await (const key of objects.list(DEAD_LETTERS)) keys.push(key);
  const passedOver: Record<string, number> = {};
  let appended = 0;
  let refused = 0;
  for (const [index, key] of keys.entries()) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of await objects.get(key)) chunks.push(chunk);
    const event = JSON.parse(DeadLetter.parse(JSON.parse(Buffer.concat(chunks).toString("utf8"))).payload) as {
      Records: readonly unknown[];
    };
    try {
      await redeliver(event);
      await objects.delete([key]);
      appended += event.Records.length;
    } catch (error) {
      refused += event.Records.length;
      const why = error instanceof Error ? error.message : String(error);
      passedOver[why] = (passedOver[why] ?? 0) + event.Records.length;
    }
    progress(index + 1, (index + 1) / keys.length);
  }
  return { replayId, appended, refused, passedOver };
};
