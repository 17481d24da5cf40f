/**
 * Sends what was refused again, after a fix: events as the producer sent them, rows as a file of their own. What a replay is
 * at is kept before it is done, so that one that was killed goes on with the same items under the same receipts: nothing is
 * sent twice and nothing is passed over. Not a route: an operator starts it.
 */
import { type ReceiptId, digest } from "@ebb/core/ids";
import type { Ports, QuarantinedItem, ReplayMark } from "@ebb/ports";
import { readJson } from "@ebb/ports/json-objects";
import { z } from "zod";
import { onAws } from "../runtime/on-aws.ts";
import { type ReplayedEvent, sendAgain } from "./replay/events.ts";
import { markRows, sendFile } from "./replay/rows.ts";

export const ReplayRequest = z.object({
  /** Names the replay: the same name goes on with it. */
  replayId: z.string().regex(/^[A-Za-z0-9-]{1,64}$/),
  code: z.string().optional(),
  receiptId: z.string().optional(),
  sinceMs: z.number().optional(),
});
export type ReplayRequest = z.infer<typeof ReplayRequest>;

const Key = z.tuple([z.string(), z.int()]);
const State = z.object({
  request: ReplayRequest,
  startedAtMs: z.number(),
  /** Where the list goes on; `read` says that it is at its end. */
  cursor: z.string().optional(),
  read: z.boolean(),
  page: z.int(),
  /** What is being sent: kept before it is. */
  under: z.object({ items: z.array(Key), cursor: z.string().optional() }).optional(),
  /** Files whose rows were refused, and the upload that they go by. */
  files: z.array(z.object({ from: z.string(), to: z.string().optional(), rows: z.int(), marked: z.boolean() })),
  appended: z.int(),
  refused: z.int(),
  /** Items that cannot be sent again, by why. */
  passedOver: z.record(z.string(), z.int()),
});
export type ReplayState = z.infer<typeof State>;

export type ReplayPorts = Pick<
  Ports,
  | "now"
  | "pseudonyms"
  | "settings"
  | "log"
  | "profiles"
  | "metrics"
  | "suppressions"
  | "ledger"
  | "quarantine"
  | "objects"
  | "uploads"
  | "jobs"
>;

export interface ReplayAnswer extends ReplayState {
  /** False: call again, with the same request. */
  readonly done: boolean;
  /** Uploads that are not worked off yet. */
  readonly waiting: number;
}

const PAGE = 200;
/** With less time left the work stops and is asked for again. */
const STEP_MS = 10_000;

export const make =
  (ports: ReplayPorts) =>
  async (input: unknown, context: { getRemainingTimeInMillis(): number }): Promise<ReplayAnswer> => {
    const request = ReplayRequest.parse(input);
    const key = `replays/${request.replayId}.json`;
    const kept = await readJson(ports.objects, key);
    let state = kept === undefined ? firstState(request, ports.now()) : State.parse(kept);
    const save = async (next: ReplayState): Promise<void> => {
      await ports.objects.put(key, Buffer.from(JSON.stringify(next)));
      state = next;
    };
    const hasTime = (): boolean => context.getRemainingTimeInMillis() > STEP_MS;
    while (!state.read && hasTime()) await step(ports, state, save);
    let waiting = 0;
    for (const [index, file] of state.files.entries()) {
      if (!state.read || file.marked) continue;
      if (!hasTime()) return { ...state, done: false, waiting: waiting + 1 };
      const next = await stepFile(ports, state, file);
      if (next === undefined) waiting++;
      else
        await save({ ...next, files: next.files.map((each, at) => (at === index ? { ...each, marked: true } : each)) });
    }
    return { ...state, done: state.read && waiting === 0 && state.files.every(({ marked }) => marked), waiting };
  };

export const handler = onAws((ports: Ports) => make(ports));

const firstState = (request: ReplayRequest, nowMs: number): ReplayState => ({
  ...{ request, startedAtMs: nowMs, read: false, page: 0, files: [], appended: 0, refused: 0, passedOver: {} },
});

const isFile = (receiptId: string): boolean => receiptId.startsWith("upl_");

/** One page of the selection: noted down, then sent. */
const step = async (
  ports: ReplayPorts,
  state: ReplayState,
  save: (next: ReplayState) => Promise<void>,
): Promise<void> => {
  const { request, under } = state;
  if (under === undefined) {
    const { items, cursor } = await ports.quarantine.list({
      code: request.code,
      receiptId: request.receiptId as ReceiptId | undefined,
      sinceMs: request.sinceMs,
      open: true,
      limit: PAGE,
      cursor: state.cursor,
    });
    // What this replay itself has refused again is not taken up by it.
    const own = items.filter((item) => item.quarantinedAtMs < state.startedAtMs);
    return await save({
      ...state,
      under: {
        items: own.map((item) => [item.receiptId, item.rowNumber]),
        ...(cursor === undefined ? {} : { cursor }),
      },
    });
  }
  const items = await itemsOf(ports, under.items);
  const files = new Map(state.files.map((file) => [file.from, file]));
  for (const { receiptId } of items)
    if (isFile(receiptId)) {
      const file = files.get(receiptId) ?? { from: receiptId, rows: 0, marked: false };
      files.set(receiptId, { ...file, rows: file.rows + 1 });
    }
  const events = items.filter(({ receiptId }) => !isFile(receiptId));
  const sent = await sendAgain(ports, `${request.replayId} ${state.page}`, events);
  await ports.quarantine.markReplayed(sent.flatMap((each) => marksOf(each, ports.now())));
  const passedOver = { ...state.passedOver };
  for (const each of sent) if ("why" in each) passedOver[each.why] = (passedOver[each.why] ?? 0) + 1;
  const { under: _under, cursor: _cursor, ...rest } = state;
  await save({
    ...rest,
    page: state.page + 1,
    read: under.cursor === undefined,
    ...(under.cursor === undefined ? {} : { cursor: under.cursor }),
    files: [...files.values()],
    appended: state.appended + sent.filter((each) => "outcome" in each && each.outcome === "appended").length,
    refused: state.refused + sent.filter((each) => "outcome" in each && each.outcome === "refused").length,
    passedOver,
  });
};

const marksOf = (sent: ReplayedEvent, atMs: number): ReplayMark[] => {
  if ("why" in sent) return [];
  const { receiptId, rowNumber } = sent.item;
  return [{ receiptId, rowNumber, replayed: { receiptId: sent.receiptId, outcome: sent.outcome, atMs } }];
};

/** The items by their names; those that expired or whose person was erased meanwhile are gone. */
const itemsOf = async (
  ports: ReplayPorts,
  keys: readonly (readonly [string, number])[],
): Promise<QuarantinedItem[]> => {
  const rows = Map.groupBy(keys, ([receiptId]) => receiptId);
  const found: QuarantinedItem[] = [];
  for (const [receiptId, own] of rows) {
    const wanted = new Set(own.map(([, row]) => row));
    for (let cursor: string | undefined; wanted.size > 0;) {
      const page = await ports.quarantine.list({ receiptId: receiptId as ReceiptId, limit: PAGE, cursor });
      found.push(...page.items.filter((item) => wanted.delete(item.rowNumber)));
      cursor = page.cursor;
      if (cursor === undefined) break;
    }
  }
  return found;
};

/** The rows of one file: sent as a file, waited for, marked. `undefined` while it is worked off. */
const stepFile = async (
  ports: ReplayPorts,
  state: ReplayState,
  file: ReplayState["files"][number],
): Promise<ReplayState | undefined> => {
  const { request } = state;
  const from = file.from as ReceiptId;
  const to = `upl_${digest("replay", request.replayId, from)}` as ReceiptId;
  const selection = { receiptId: from, code: request.code, sinceMs: request.sinceMs, open: true };
  const upload = await ports.uploads.get(to);
  if (upload === undefined) {
    const why = await sendFile(ports, { from, to, selection, replayId: request.replayId });
    if (why === undefined) return undefined;
    return { ...state, passedOver: { ...state.passedOver, [why]: (state.passedOver[why] ?? 0) + file.rows } };
  }
  if (upload.state === "failed") {
    const why = `the file of the rows was refused: ${upload.problem?.message ?? ""}`;
    return { ...state, passedOver: { ...state.passedOver, [why]: (state.passedOver[why] ?? 0) + file.rows } };
  }
  if (upload.state !== "done") return undefined;
  const { appended, refused } = await markRows(ports, { to, selection });
  return { ...state, appended: state.appended + appended, refused: state.refused + refused };
};
