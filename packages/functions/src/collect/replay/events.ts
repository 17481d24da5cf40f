/**
 * Refused events of requests and hooks, sent again as if their producer did: through the code of the front door. What the
 * stages behind the log refused goes onto the log once more where it could be read now.
 */
import { objectOf } from "@ebb/core/canonical-context";
import { type ReceiptId, digest } from "@ebb/core/ids";
import { limits } from "@ebb/core/limits";
import { socialLayouts } from "@ebb/core/social-layouts";
import { occurredAt, parseInstant } from "@ebb/core/time";
import type { StreamEvent } from "@ebb/core/stream-event";
import { refusalOf } from "@ebb/lake/landing";
import { type LedgerLine, type QuarantinedItem, type SuppressionList, lineWithoutErased } from "@ebb/ports";
import { collect } from "../events.ts";
import type { ReplayPorts } from "../replay-quarantined.ts";

export type ReplayedEvent =
  | { readonly item: QuarantinedItem; readonly receiptId: ReceiptId; readonly outcome: "appended" | "refused" }
  /** It cannot be sent again. */
  | { readonly item: QuarantinedItem; readonly why: string };

interface Ready {
  readonly item: QuarantinedItem;
  /** Stream: an event as it stands on the log. */
  readonly channel: "http" | "social" | "stream";
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
  const erased = await ports.suppressions.latest();
  const read = items.map((item) => {
    const line = lines.get(item.receiptId);
    return line === undefined ? refusedBehind(item, erased) : readyOf(item, line);
  });
  const sent: ReplayedEvent[] = read.filter((each) => "why" in each);
  const ready = read.filter((each) => "wire" in each);
  for (const [group, some] of Map.groupBy(ready, ({ item, channel }) => `${channel} ${item.source}`))
    sent.push(...(await sendGroup(ports, `rcp_${digest("replay", name, group)}` as ReceiptId, some)));
  return sent;
};

type PassedOver = Extract<ReplayedEvent, { why: string }>;

/**
 * No request or upload has such a receipt: the land or the score stage refused the line. It goes onto the log once more,
 * as an event of its own, where this release can read it: its first one is known there, and passed over for good. That
 * counts no order twice, nor a refund: they are known by their own ids.
 */
const refusedBehind = (item: QuarantinedItem, erased: SuppressionList): Ready | PassedOver => {
  if (lineWithoutErased(item.original, erased) !== item.original) return { item, why: "the customer was erased" };
  const refusal = refusalOf(item.original);
  return refusal === undefined
    ? { item, channel: "stream", wire: JSON.parse(Buffer.from(item.original).toString("utf8")) }
    : {
        item,
        why: `it stands on the log and cannot be read from there, now as then (${refusal.message}): only its producer can send it anew`,
      };
};

const readyOf = (item: QuarantinedItem, line: LedgerLine): Ready | PassedOver => {
  if (item.code === "customer_erased") return { item, why: "the customer was erased" };
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

/** One line that two stages refused is one event: its id is made of its bytes. */
const appendAgain = async (
  ports: ReplayPorts,
  receiptId: ReceiptId,
  ready: readonly Ready[],
): Promise<ReplayedEvent[]> => {
  const events = ready.map(({ item, wire }, index) => {
    const eventId = `evt_${digest("replay", Buffer.from(item.original).toString("base64"))}`;
    const event = { ...(wire as StreamEvent), event_id: eventId, receipt_id: receiptId, receipt_number: index };
    const partitionKey = event.customer_key ?? event.anonymous_key ?? eventId;
    return { eventId, partitionKey, json: JSON.stringify(event) };
  });
  const { source } = ready[0]!.item;
  const received = ready.length;
  await ports.log.append(
    { receiptId, part: 0, channel: "http", source, received, quarantined: 0, receivedAtMs: ports.now() },
    events,
    [],
  );
  return ready.map(({ item }) => ({ item, receiptId, outcome: "appended" }));
};

const sendGroup = async (
  ports: ReplayPorts,
  receiptId: ReceiptId,
  ready: readonly Ready[],
): Promise<ReplayedEvent[]> => {
  const { channel, item: first } = ready[0]!;
  if (channel === "stream") return await appendAgain(ports, receiptId, ready);
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
