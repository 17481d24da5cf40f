/**
 * An erasure: one workflow for both homes. It begins when the people are on the list of suppressions, so that nothing new
 * of them is taken in and no answer tells of them; what it does after that is to empty every place that still holds them.
 * Every step is remembered and safe to repeat: after a crash it goes on where it stopped.
 */
import type { Removal } from "@ebb/core/erasure";
import { limits } from "@ebb/core/limits";
import {
  type ErasureWorkPorts,
  type Eraser,
  type Ports,
  type Subject,
  TransientError,
  type WorkflowContext,
} from "@ebb/ports";
import { z } from "zod";
import { workflowOnAws } from "../runtime/workflow-on-aws.ts";

export type EraseCustomersPorts = Pick<Ports, "now" | "arrivals" | "runs"> & ErasureWorkPorts;

export const EraseRequest = z.object({ erasureId: z.string().regex(/^era_[0-9a-f]{32}$/) });
export type EraseRequest = z.infer<typeof EraseRequest>;

/** Batch runs write the tables that are cleaned: one of the two at a time. Longer than a step takes. */
const LEASE_MS = 6 * 3_600_000;
const LOOK_SECONDS = 60;
/** Landing is minutes behind. An event that has not landed by then meets the list of suppressions when it does. */
const LONGEST_ARRIVAL_MS = 3_600_000;
/** Rounds of looking whether something came after its place was emptied. */
const ROUNDS = 3;

/** @throws Error where an erasure is not known, or a place was not empty after three rounds */
export const make =
  (ports: EraseCustomersPorts) =>
  async (event: unknown, context: WorkflowContext): Promise<EraseRequest> => {
    const { erasureId } = EraseRequest.parse(event);
    const erasure = await context.step("begin", async () => {
      const found = await ports.erasures.get(erasureId);
      if (found === undefined) throw new Error(`There is no erasure ${erasureId}.`);
      return { requestedAtMs: found.requestedAtMs, done: found.state === "done" };
    });
    if (erasure.done) return { erasureId };
    const subjects = (): Promise<Subject[]> => ports.erasures.subjects(erasureId);
    /** Progress is told before the step, so that it names what is under way. */
    const step = <T>(name: string, work: () => Promise<T>): Promise<T> =>
      context.step(name, async () => {
        await ports.erasures.progress(erasureId, name);
        return await work();
      });

    await step("suppress", async () => {
      await ports.suppressions.add(pseudonymsOf(await subjects()), erasureId, erasure.requestedAtMs);
      return true;
    });
    await context.waitFor("what was taken in before has landed", LOOK_SECONDS, async () => {
      const missing = await ports.arrivals.missing(erasure.requestedAtMs);
      return missing === 0 || ports.now() - erasure.requestedAtMs > LONGEST_ARRIVAL_MS ? { missing } : undefined;
    });
    await step("find visitors", () => findVisitors(ports, erasureId));
    await context.waitFor("no batch run is under way", LOOK_SECONDS, async () =>
      (await ports.runs.lock(erasureId, ports.now(), LEASE_MS)) ? true : undefined,
    );
    /** Held through a stop and a start: whoever took it over meanwhile is waited for. */
    const alone = async <T>(work: () => Promise<T>): Promise<T> => {
      if (!(await ports.runs.lock(erasureId, ports.now(), LEASE_MS)))
        throw new TransientError("a batch run began while the erasure stood still");
      return await work();
    };

    const removed: Removal[] = [];
    for (const eraser of ports.erasers) {
      removed.push(...(await step(`survey: ${eraser.name}`, () => alone(async () => eraser.survey(await subjects())))));
      await step(`erase: ${eraser.name}`, () =>
        alone(async () => {
          await eraser.erase(await subjects());
          return true;
        }),
      );
    }
    for (const eraser of ports.erasers)
      removed.push(
        ...(await step(`verify: ${eraser.name}`, () => alone(async () => verified(eraser, await subjects())))),
      );
    await step("sign", async () => {
      await ports.runs.unlock(erasureId);
      const completedAtMs = ports.now();
      const receipt = ports.receipts.sign({
        version: 1,
        erasureId,
        requestedAt: new Date(erasure.requestedAtMs).toISOString(),
        completedAt: new Date(completedAtMs).toISOString(),
        suppressionKeys: (await subjects()).map(({ customerKey }) => ports.suppressions.keyOf(customerKey)).sort(),
        removed,
        boundDays: limits.erasureBoundDays,
      });
      await ports.erasures.end(erasureId, receipt, completedAtMs);
      return true;
    });
    return { erasureId };
  };

/** Whom the list names: visitors who were somebody else too are not on it. */
const pseudonymsOf = (subjects: readonly Subject[]): string[] =>
  subjects.flatMap(({ customerKey, anonymousKeys }) => [customerKey, ...anonymousKeys]);

/** Visitors who were seen as the customers, and nobody else, are suppressed with them. Answers how many. */
const findVisitors = async (ports: EraseCustomersPorts, erasureId: string): Promise<number> => {
  const subjects = await ports.erasures.subjects(erasureId);
  const links = await ports.visitors.of(subjects.map(({ customerKey }) => customerKey));
  const byCustomer = new Map(links.map((link) => [link.customerKey, link] as const));
  const linked = subjects.map((subject): Subject => ({ ...subject, ...byCustomer.get(subject.customerKey) }));
  const found = linked.filter(
    ({ anonymousKeys, sharedAnonymousKeys = [] }) => anonymousKeys.length + sharedAnonymousKeys.length > 0,
  );
  if (found.length === 0) return 0;
  await ports.erasures.putSubjects(erasureId, found);
  await ports.suppressions.add(pseudonymsOf(found), erasureId, ports.now());
  return found.length;
};

/** What was still there after the place was emptied: what was on its way then. */
const verified = async (eraser: Eraser, subjects: readonly Subject[]): Promise<Removal[]> => {
  const late: Removal[] = [];
  for (let round = 0; ; round++) {
    const left = await eraser.survey(subjects);
    if (left.length === 0) return late;
    if (round === ROUNDS) throw new TransientError(`${eraser.name} holds something of the erased again and again`);
    late.push(...left);
    await eraser.erase(subjects);
  }
};

export const handler = workflowOnAws(make);
