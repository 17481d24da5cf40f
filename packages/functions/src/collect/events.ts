/**
 * The front door for events: Segment's HTTP Tracking API in the dialects of Segment's, RudderStack's and Jitsu's SDKs.
 * What is wrong as a whole is a 4xx; of an authorised batch that parses, every event is appended or quarantined with
 * a reason, and the answer is 200 with the counts: SDKs throw a whole batch away on most 4xx.
 */
import { type Canonical, type CanonicalContext, type WireProfile, canonicalEvent } from "@ebb/core/canonical";
import { customerErased } from "@ebb/core/erasure";
import type { CustomerKey, ReceiptId } from "@ebb/core/ids";
import { STREAM_SCHEMA_VERSION } from "@ebb/core/kinds";
import { limits } from "@ebb/core/limits";
import type { Refusal } from "@ebb/core/reasons";
import { LanguagesMissing, loadLanguages } from "@ebb/core/sentiment";
import type { StreamEvent } from "@ebb/core/stream-event";
import {
  type Appended,
  type EncodedEvent,
  type Metrics,
  type Ports,
  type Profile,
  type QuarantinedItem,
  type ReceiptPart,
  type SuppressionList,
  withList,
} from "@ebb/ports";
import { type HttpEvent, type HttpHandler, type HttpResult, httpHandler, json } from "../runtime/http.ts";
import { logger } from "../runtime/logger.ts";
import { onAws } from "../runtime/on-aws.ts";
import { spend } from "../runtime/rate-limits.ts";
import { mentionsErased } from "./erased-originals.ts";
import { type Received, bodyText, eventsOf, headerKey, jsonText, keyInBody, parseJson } from "./request.ts";

export type EventPorts = Pick<
  Ports,
  "now" | "newId" | "pseudonyms" | "settings" | "keys" | "log" | "profiles" | "metrics" | "suppressions"
>;

export const make = (ports: EventPorts): HttpHandler => {
  const allowedProperties = new Set(ports.settings.allowedProperties);
  const allowedTraits = new Set(ports.settings.allowedTraits);
  return httpHandler(async (event) => {
    if (event.rawPath.endsWith("/m")) return acknowledged();
    const known = await headerKey(ports.keys, event);
    const text = jsonText(await bodyText(event), event.headers["content-type"]);
    const body = parseJson(text);
    const key = known ?? (await keyInBody(ports.keys, event, body));
    const received = eventsOf(body, text);
    spend(ports.keys, key, "events", received.events.length, event.requestContext.timeEpoch);
    const receivedAtMs = ports.now();
    return collect(ports, received, {
      channel: "http",
      source: key.source,
      receivedAtMs,
      receivedAt: new Date(receivedAtMs).toISOString(),
      sentAt: received.sentAt,
      receiptId: ports.newId("rcp"),
      type: callOf(event),
      pseudonyms: ports.pseudonyms,
      rates: ports.settings.rates,
      allowedProperties,
      allowedTraits,
      newEventId: () => ports.newId("evt"),
    });
  });
};

export const handler = onAws(make);

/** The browser SDK's counts of its own calls (`{series: […]}`, sent without a key): taken, and kept nowhere. */
const acknowledged = (): HttpResult => json(200, { success: true });

const calls: Readonly<Record<string, string>> = {
  t: "track",
  i: "identify",
  p: "page",
  s: "screen",
  g: "group",
  a: "alias",
};

/** Which call an event is that does not say so itself, from the last part of the path. */
const callOf = (event: HttpEvent): string => {
  const last = event.rawPath.slice(event.rawPath.lastIndexOf("/") + 1);
  return calls[last] ?? last;
};

export interface CollectContext extends CanonicalContext {
  readonly channel: "http" | "social";
}

/**
 * Appends or quarantines every event of a request, and answers with the counts and with what `also` says. Not an async
 * function: one would keep what it was called with until the append is durable, and the wire events of the requests that
 * wait for a commit are more than the young generation holds (they were copied again and again, a sixth of all CPU).
 * @throws TransientError
 */
export const collect = (
  ports: CollectPorts,
  received: Received,
  context: CollectContext,
  also: Readonly<Record<string, unknown>> = {},
): Promise<HttpResult> => withList(ports.suppressions, (erased) => collectFor(ports, received, context, also, erased));

type CollectPorts = Pick<Ports, "log" | "metrics" | "suppressions"> & { readonly profiles?: Ports["profiles"] };

const collectFor = (
  ports: CollectPorts,
  received: Received,
  context: CollectContext,
  also: Readonly<Record<string, unknown>>,
  erased: SuppressionList,
): Promise<HttpResult> => {
  const { channel } = context;
  let all: Sorted;
  try {
    all = sorted(received, context, erased);
  } catch (error) {
    if (!(error instanceof LanguagesMissing)) throw error;
    return loadLanguages().then(() => collectFor(ports, received, context, also, erased)); // the first post
  }
  const { events, quarantined, profiles, errors } = all;
  const part: ReceiptPart = {
    receiptId: context.receiptId as ReceiptId,
    part: 0,
    channel,
    source: context.source,
    received: received.events.length,
    quarantined: quarantined.length,
    receivedAtMs: context.receivedAtMs,
  };
  const appending = ports.log.append(part, events, quarantined);
  // Where this fails the request is answered 503 and comes again: the events it brings are known by then.
  const telling = profiles.length === 0 ? undefined : ports.profiles?.put(profiles);
  return Promise.all([appending, telling]).then(answerOf(ports.metrics, part, errors, also));
};

const answerOf =
  (metrics: Metrics, part: ReceiptPart, errors: readonly unknown[], also: Readonly<Record<string, unknown>>) =>
  ([{ appended, duplicates }]: readonly [Appended, unknown]): HttpResult => {
    const { received, quarantined, channel } = part;
    if (received > 0) metrics.count("EventsReceived", received, { channel });
    if (quarantined > 0) metrics.count("EventsQuarantined", quarantined, { channel });
    return json(200, {
      success: true,
      receipt_id: part.receiptId,
      received,
      appended,
      ...(duplicates === undefined ? {} : { duplicates: duplicates.length }),
      quarantined,
      errors,
      ...also,
    });
  };

interface Sorted {
  readonly events: readonly EncodedEvent[];
  readonly quarantined: readonly QuarantinedItem[];
  readonly profiles: readonly Profile[];
  /** What the answer says of each refused event. */
  readonly errors: readonly unknown[];
}

const sorted = (received: Received, context: CollectContext, erased: SuppressionList): Sorted => {
  const events: EncodedEvent[] = [];
  const quarantined: QuarantinedItem[] = [];
  const profiles: Profile[] = [];
  const named = new Set<string>();
  const errors: unknown[] = [];
  for (let index = 0; index < received.events.length; index++) {
    const wire = received.events[index];
    const outcome = received.oversized(index) ? tooLarge : encoded(wire, context, index, erased);
    if ("code" in outcome) {
      quarantined.push({
        ...outcome,
        receiptId: context.receiptId as ReceiptId,
        rowNumber: index,
        source: context.source,
        original:
          outcome === customerErased ? NOTHING : withoutErasedOriginal(received.original(index), context, erased),
        schemaVersion: STREAM_SCHEMA_VERSION,
        quarantinedAtMs: context.receivedAtMs,
      });
      errors.push({ index, messageId: messageIdOf(wire), ...outcome });
      continue;
    }
    events.push(outcome.event);
    const { profile } = outcome;
    // Who a key stands for is told once a request; what `identify` says, each time.
    if (profile !== undefined && (!named.has(profile.customerKey) || Object.keys(profile.traits).length > 0)) {
      named.add(profile.customerKey);
      profiles.push({ ...profile, customerKey: profile.customerKey as CustomerKey });
    }
  }
  return { events, quarantined, profiles, errors };
};

const NOTHING = new Uint8Array();

const withoutErasedOriginal = (
  original: Buffer,
  { pseudonyms }: CollectContext,
  erased: SuppressionList,
): Uint8Array => (mentionsErased(original, erased, pseudonyms) ? NOTHING : original);

const tooLarge: Refusal = {
  code: "too_large",
  message: `An event may have at most ${limits.eventBytes.toLocaleString("en")} bytes.`,
};

type Encoded = { readonly event: EncodedEvent; readonly profile?: WireProfile } | Refusal;

const encoded = (wire: unknown, context: CanonicalContext, index: number, erased: SuppressionList): Encoded => {
  let outcome: Canonical;
  try {
    outcome = canonicalEvent(wire, context, index);
  } catch (error) {
    if (error instanceof LanguagesMissing) throw error;
    // A fault of ours with one event: it is kept for a replay after the fix, and costs its neighbours nothing.
    logger.error("an event could not be mapped", error instanceof Error ? error : new Error(String(error)));
    return { code: "invalid_event", message: "The event could not be read." };
  }
  if (outcome.event === undefined) return outcome.refusal;
  const { event, profile } = outcome;
  if (erased.size > 0) {
    const whose = event.customer_key ?? event.anonymous_key;
    if (whose !== undefined && erased.has(whose)) return customerErased;
    // Somebody else in the browser of an erased person.
    if (event.anonymous_key !== undefined && erased.has(event.anonymous_key)) delete event.anonymous_key;
  }
  const text = encodedJson(event);
  if (text.length * 3 > limits.eventBytes && Buffer.byteLength(text) > limits.eventBytes) return tooLarge;
  return {
    event: {
      eventId: event.event_id,
      partitionKey: event.customer_key ?? event.anonymous_key ?? event.event_id,
      json: text,
    },
    ...(profile === undefined ? {} : { profile }),
  };
};

/** JSON of an event; control characters and halves of surrogate pairs, which some readers refuse, are taken out. */
const encodedJson = (event: StreamEvent): string => {
  const text = JSON.stringify(event);
  if (!text.includes("\\u")) return text;
  return JSON.stringify(event, (_, value: unknown) =>
    typeof value === "string" ? value.toWellFormed().replace(/(?![\t\n\r])\p{Cc}/gu, "") : value,
  );
};

const messageIdOf = (wire: unknown): string | undefined => {
  const id = (wire as { messageId?: unknown } | null | undefined)?.messageId;
  return typeof id === "string" || typeof id === "number" ? String(id).slice(0, 256) : undefined;
};
