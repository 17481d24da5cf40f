/** Refused events of requests and hooks, sent again as if their producer did: through the code of the front door. */
import { objectOf } from "@ebb/core/canonical-context";
import { type ReceiptId, digest } from "@ebb/core/ids";
import { limits } from "@ebb/core/limits";
import { socialLayouts } from "@ebb/core/social-layouts";
import { occurredAt, parseInstant } from "@ebb/core/time";
import type { LedgerLine, QuarantinedItem } from "@ebb/ports";
import { collect } from "../events.ts";
import type { ReplayPorts } from "../replay-quarantined.ts";

export type ReplayedEvent =
  | { readonly item: QuarantinedItem; readonly receiptId: ReceiptId; readonly outcome: "appended" | "refused" }
  /** It cannot be sent again. */
  | { readonly item: QuarantinedItem; readonly why: string };

interface Ready {
  readonly item: QuarantinedItem;
  readonly channel: "http" | "social";
  readonly wire: unknown;
}

/**
 * Sends items, those of one source and channel under one receipt. The same items under the same name are sent once,
 * however often this is called.
 * @throws TransientError
 */
export const sendAgain = async (
  ports: ReplayPorts,
  name: string,
  items: readonly QuarantinedItem[],
): Promise<ReplayedEvent[]> => {
  const lines = new Map<ReceiptId, LedgerLine | undefined>();
  for (const { receiptId } of items)
    if (!lines.has(receiptId)) lines.set(receiptId, await ports.ledger.read(receiptId));
  const read = items.map((item) => readyOf(item, lines.get(item.receiptId)));
  const sent: ReplayedEvent[] = read.filter((each) => "why" in each);
  const ready = read.filter((each) => "wire" in each);
  for (const [group, some] of Map.groupBy(ready, ({ item, channel }) => `${channel} ${item.source}`))
    sent.push(...(await sendGroup(ports, `rcp_${digest("replay", name, group)}` as ReceiptId, some)));
  return sent;
};

const readyOf = (
  item: QuarantinedItem,
  line: LedgerLine | undefined,
): Ready | Extract<ReplayedEvent, { why: string }> => {
  if (item.code === "customer_erased") return { item, why: "the customer was erased" };
  if (line === undefined) return { item, why: "a stage behind the log refused it: ebb replay --from dead-letters" };
  if (line.channel !== "http" && line.channel !== "social")
    return { item, why: "it came neither by request nor by hook" };
  let wire: unknown;
  try {
    wire = JSON.parse(Buffer.from(item.original).toString("utf8"));
  } catch {
    return { item, why: "its bytes are not JSON" };
  }
  if (line.channel === "http") return { item, channel: "http", wire: asItCame(wire, item) };
  const layout = Object.hasOwn(socialLayouts, item.source) ? socialLayouts[item.source] : undefined;
  const [post, ...more] = layout?.(wire).posts ?? [];
  if (post === undefined || more.length > 0) return { item, why: "the post does not stand alone" };
  return { item, channel: "social", wire: asItCame(post.wire, item) };
};

/**
 * The event with what its request knew of it: its time by the clock of then, and a name, so that a replay of a replay is
 * the same event. One without a name was never appended, so that the one it gets is its own.
 */
const asItCame = (wire: unknown, item: QuarantinedItem): unknown => {
  const input = objectOf(wire);
  if (input === undefined) return wire;
  const { sentAt, ...rest } = input;
  const at = occurredAt(input, parseInstant(sentAt), item.quarantinedAtMs);
  return {
    messageId: `replay ${item.receiptId} ${item.rowNumber}`,
    ...(typeof input["event"] === "string" ? { type: "track" } : {}),
    ...rest,
    ...(typeof at === "number" ? { timestamp: new Date(at).toISOString() } : {}),
  };
};

const sendGroup = async (
  ports: ReplayPorts,
  receiptId: ReceiptId,
  ready: readonly Ready[],
): Promise<ReplayedEvent[]> => {
  const { channel, item: first } = ready[0]!;
  const nowMs = ports.now();
  const original = (index: number): Buffer => Buffer.from(ready[index]!.item.original);
  const answer = await collect(
    ports,
    {
      events: ready.map(({ wire }) => wire),
      sentAt: undefined,
      original,
      oversized: (index) => original(index).length > limits.eventBytes,
    },
    {
      ...{ channel, source: first.source, receiptId, sentAt: undefined, type: undefined },
      receivedAtMs: nowMs,
      receivedAt: new Date(nowMs).toISOString(),
      pseudonyms: ports.pseudonyms,
      rates: ports.settings.rates,
      allowedProperties: channel === "http" ? new Set(ports.settings.allowedProperties) : new Set(),
      allowedTraits: channel === "http" ? new Set(ports.settings.allowedTraits) : new Set(),
      newEventId: () => `evt_${digest("replay", receiptId)}`,
    },
  );
  const { errors } = JSON.parse(answer.body ?? "{}") as { errors: readonly { index: number }[] };
  const refused = new Set(errors.map(({ index }) => index));
  return ready.map(({ item }, index) => ({ item, receiptId, outcome: refused.has(index) ? "refused" : "appended" }));
};
