/**
 * From an event as its producer sent it to the one that travels on the stream, or to the reason why not. Pure: the
 * clock, ids, secrets and settings come in as the context.
 */
import { z } from "zod";
import { addActivity } from "./canonical-activity.ts";
import { addContext, objectOf } from "./canonical-context.ts";
import { addOrder, addRefund } from "./canonical-order.ts";
import { type Pseudonymizer, eventIdOf } from "./ids.ts";
import { type EventKind, STREAM_SCHEMA_VERSION, kindNames } from "./kinds.ts";
import { limits } from "./limits.ts";
import type { RateTable } from "./money.ts";
import type { Refusal } from "./reasons.ts";
import type { StreamEvent } from "./stream-event.ts";
import { occurredAt, parseInstant } from "./time.ts";
import { protocolKeys } from "./wire/call.ts";
import { checkers, isCallType, kindOfTrack } from "./wire/definitions.ts";
import { rangeErrors, textOf } from "./wire/values.ts";

export interface CanonicalContext {
  readonly source: string;
  /** The receipt: epoch milliseconds, and the same as text. */
  readonly receivedAtMs: number;
  readonly receivedAt: string;
  /** `sentAt` of the request as a whole; an event's own goes before it. */
  readonly sentAt: unknown;
  readonly receiptId: string;
  /** Which call it is where the event does not say: the route's. */
  readonly type: string | undefined;
  readonly pseudonyms: Pseudonymizer;
  readonly rates: RateTable;
  readonly allowedProperties: ReadonlySet<string>;
  readonly allowedTraits: ReadonlySet<string>;
  /** Gives an id to an event without one: it cannot be de-duplicated. */
  readonly newEventId: () => string;
}

/** Who the customer of an event is, and what `identify` says of them: for the profile store alone. */
export interface WireProfile {
  readonly customerKey: string;
  readonly customerId: string;
  readonly traits: Readonly<Record<string, unknown>>;
  readonly updatedAtMs: number;
}

export type Canonical =
  | { readonly event: StreamEvent; readonly profile?: WireProfile }
  | { readonly refusal: Refusal; readonly event?: undefined };

/** A stream event while it is being filled in. */
export type Draft = { -readonly [Field in keyof StreamEvent]: StreamEvent[Field] };

/** @param receiptNumber ordinal of the event in its receipt */
export const canonicalEvent = (wire: unknown, context: CanonicalContext, receiptNumber: number): Canonical => {
  const input = objectOf(wire);
  if (input === undefined) return refuse("invalid_event", undefined, "An event must be a JSON object.");
  const type = input["type"] ?? context.type;
  if (!isCallType(type))
    return refuse("invalid_event", "type", "type must be one of track, identify, page, screen, group and alias.");
  const name = type === "track" ? textOf(input["event"], 256) : type;
  if (name === undefined)
    return refuse(
      typeof input["event"] === "object" && input["event"] !== null ? "invalid_field" : "missing_field",
      "event",
      "A track call needs the name of its event.",
    );
  const kind: EventKind = type === "track" ? kindOfTrack(name) : type;
  if (!within(input, limits.jsonDepth))
    return refuse("invalid_event", undefined, `An event may be nested ${limits.jsonDepth} levels deep.`);

  const checker = checkers[kind];
  if (!z.validate(checker, input)) return { refusal: refusalOf(checker, input) };

  const sentAt = parseInstant(input["sentAt"]) ?? parseInstant(context.sentAt);
  const at = occurredAt(input, sentAt, context.receivedAtMs);
  if (typeof at !== "number") return { refusal: at };

  const messageId = textOf(input["messageId"], 1024);
  const draft: Draft = {
    event_id: messageId === undefined ? context.newEventId() : eventIdOf(context.source, messageId),
    kind,
    name: kind === "track" || kind === type ? name : kindNames[kind],
    source: context.source,
    schema_version: STREAM_SCHEMA_VERSION,
    occurred_at: new Date(at).toISOString(),
    received_at: context.receivedAt,
    receipt_id: context.receiptId,
    receipt_number: receiptNumber,
  };
  const userId = textOf(input["userId"], 1024);
  if (userId !== undefined) draft.customer_key = context.pseudonyms.customer(userId);
  const anonymousId = textOf(input["anonymousId"], 1024);
  if (anonymousId !== undefined) draft.anonymous_key = context.pseudonyms.anonymous(anonymousId);

  const properties = objectOf(input["properties"]) ?? {};
  let dropped = addContext(draft, objectOf(input["context"])) + countOthers(input, protocolKeys);
  let outcome: number | Refusal;
  if (kind === "order_completed" || kind === "order_updated" || kind === "order_cancelled")
    outcome = addOrder(draft, properties, at, context.rates);
  else if (kind === "order_refunded") outcome = addRefund(draft, properties, at, context.rates);
  else outcome = addActivity(draft, input, properties, context);
  if (typeof outcome !== "number") return { refusal: outcome };
  dropped += outcome;
  if (dropped > 0) draft.dropped_fields = dropped;

  if (userId === undefined || draft.customer_key === undefined) return { event: draft };
  const traits = kind === "identify" ? traitsOf(input) : NO_TRAITS;
  return { event: draft, profile: { customerKey: draft.customer_key, customerId: userId, traits, updatedAtMs: at } };
};

const NO_TRAITS = {};

/** Segment sends an identify call's traits at its top, RudderStack in its context. */
export const traitsOf = (input: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  objectOf(input["traits"]) ?? objectOf(objectOf(input["context"])?.["traits"]) ?? {};

const refuse = (code: Refusal["code"], field: string | undefined, message: string): Canonical => ({
  refusal: { code, ...(field === undefined ? {} : { field }), message },
});

/** How many keys of an object are not among the known ones. */
export const countOthers = (input: Readonly<Record<string, unknown>>, known: ReadonlySet<string>): number => {
  let count = 0;
  for (const key in input) if (!known.has(key)) count++;
  return count;
};

/** Whether nothing in a value lies more than `levels` below it. */
const within = (value: object, levels: number): boolean => {
  if (levels === 0) return false;
  if (Array.isArray(value)) {
    for (const item of value as unknown[])
      if (typeof item === "object" && item !== null && !within(item, levels - 1)) return false;
    return true;
  }
  for (const key in value) {
    const item = (value as Record<string, unknown>)[key];
    if (typeof item === "object" && item !== null && !within(item, levels - 1)) return false;
  }
  return true;
};

/** The first thing that the definition finds wrong, as a reason. The value itself is never told. */
const refusalOf = (checker: z.ZodType, input: unknown): Refusal => {
  const issue = checker.safeParse(input).error?.issues[0];
  if (issue === undefined) return { code: "invalid_event", message: "The event does not follow its definition." };
  let value: unknown = input;
  let field = "";
  for (const step of issue.path) {
    value = (value as Record<PropertyKey, unknown> | null | undefined)?.[step];
    field += typeof step === "number" ? `[${step}]` : `${field === "" ? "" : "."}${String(step)}`;
  }
  if (value === undefined || value === null || value === "")
    return { code: "missing_field", field, message: `${field} is missing.` };
  const number = typeof value === "string" && value.length < 400 ? Number(value) : value;
  const isNumber = typeof number === "number" && !Number.isNaN(number);
  const code = isNumber && rangeErrors.has(issue.message) ? "amount_out_of_range" : "invalid_field";
  const message = issue.message.startsWith("must") ? issue.message : "has the wrong type";
  return { code, field, message: `${field} ${message}.` };
};
