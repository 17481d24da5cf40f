/** What the SDKs send, as text and as a list of events: keys in four places, JSON under any content type, form bodies. */
import { listElements, nestsDeeperThan, NESTING_LIMIT } from "@ebb/core/json-text";
import { limits } from "@ebb/core/limits";
import type { ApiKey, KeyRing } from "@ebb/ports";
import { authorize, presentedKey } from "../runtime/authorisation.ts";
import { type HttpEvent, decodedBody, header } from "../runtime/http.ts";
import { Problem } from "../runtime/problem.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * The body as text, unpacked. @throws Problem `bad_request` where its bytes are no UTF-8, and those of `decodedBody`
 */
export const bodyText = async (event: HttpEvent): Promise<string> => {
  const encoding = header(event, "content-encoding");
  if (!event.isBase64Encoded && (encoding === undefined || encoding === "identity")) {
    const text = event.body ?? "";
    if (text.length * 3 > limits.batchBytes && Buffer.byteLength(text) > limits.batchBytes)
      throw new Problem(
        "too_large",
        `At most ${limits.batchBytes.toLocaleString("en")} bytes are taken here, unpacked.`,
        { limit_bytes: limits.batchBytes },
      );
    return text;
  }
  const bytes = await decodedBody(event);
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw new Problem("bad_request", "The body is not UTF-8.", { code: "invalid_encoding" }, error);
  }
};

/**
 * JSON text out of the body. Most SDKs send JSON under whatever content type spares a preflight; a form has it in
 * `data`, as it is or in base64 (Segment's pixel and older browser SDKs).
 */
export const jsonText = (body: string, contentType: string | undefined): string => {
  if (!/^application\/x-www-form-urlencoded/i.test(contentType ?? "") || /^\s*[[{]/.test(body)) return body;
  const form = new URLSearchParams(body);
  const data = form.get("data") ?? form.get("payload") ?? body;
  return /^\s*[[{]/.test(data) ? data : Buffer.from(data, "base64").toString("utf8");
};

export const parseJson = (text: string): unknown => {
  if (nestsDeeperThan(text, NESTING_LIMIT))
    throw new Problem("bad_request", `The body is nested deeper than ${NESTING_LIMIT} levels.`);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Problem("invalid_json", jsonFault(error), {}, error);
  }
};

/** Where the parser stopped. Its message also quotes the text around it, which may be personal: that is left out. */
const jsonFault = (error: unknown): string => {
  const position = /position (\d+)/.exec(error instanceof Error ? error.message : "")?.[1];
  return position === undefined
    ? "The body is not valid JSON: it ends too early, or is empty."
    : `The body is not valid JSON: see character ${position}.`;
};

/**
 * The key a request comes with in its headers or query; `undefined` where its body has to be looked into. Checked before
 * the body is parsed, so that nobody without a key has us parse anything.
 */
export const headerKey = async (keys: KeyRing, event: HttpEvent): Promise<ApiKey | undefined> => {
  const presented = presentedKey(event);
  return presented === undefined ? undefined : await authorize(keys, event, await withoutSecret(keys, presented));
};

/** The key that stands as `writeKey` in a body. */
export const keyInBody = async (keys: KeyRing, event: HttpEvent, body: unknown): Promise<ApiKey> => {
  const presented = bodyKey(body);
  return authorize(keys, event, presented === undefined ? undefined : await withoutSecret(keys, presented));
};

/** Jitsu's SDK insists on the form `key:secret`; there the part before the colon may be the key. */
const withoutSecret = async (keys: KeyRing, presented: string): Promise<string> => {
  const colon = presented.indexOf(":");
  return colon > 0 && (await keys.find(presented)) === undefined ? presented.slice(0, colon) : presented;
};

const bodyKey = (body: unknown): string | undefined => {
  const candidates = [body, (body as { batch?: unknown } | null)?.batch, body].map((value) =>
    Array.isArray(value) ? (value as unknown[])[0] : value,
  );
  for (const candidate of candidates) {
    const key = (candidate as { writeKey?: unknown } | null | undefined)?.writeKey;
    if (typeof key === "string" && key !== "") return key;
  }
  return undefined;
};

export interface Received {
  readonly events: readonly unknown[];
  /** `sentAt` of the request as a whole. */
  readonly sentAt: unknown;
  /** The original bytes of one event. */
  readonly original: (index: number) => Buffer;
  /** Whether an event as it was sent is over the limit of one event. */
  readonly oversized: (index: number) => boolean;
}

/** The events of a body: one, `{batch: […]}`, or a list. */
export const eventsOf = (body: unknown, text: string): Received => {
  const batch = Array.isArray(body) ? (body as unknown[]) : (body as { batch?: unknown } | null)?.batch;
  if (typeof body !== "object" || body === null)
    throw new Problem("bad_request", "The body must be an event, a list of events or an object with a batch of them.");
  const small = text.length * 3 <= limits.eventBytes;
  if (batch === undefined) {
    const original = () => Buffer.from(text);
    return {
      events: [body],
      sentAt: undefined,
      original,
      oversized: () => !small && original().length > limits.eventBytes,
    };
  }
  if (!Array.isArray(batch)) throw new Problem("bad_request", "batch must be a list of events.");
  if (batch.length > limits.batchEvents)
    throw new Problem("too_large", `At most ${limits.batchEvents.toLocaleString("en")} events are taken at once.`);
  let slices: [number, number][] | undefined;
  const slice = (index: number): string => {
    slices ??= listElements(text, "batch");
    const [start, end] = slices[index]!;
    return text.slice(start, end);
  };
  return {
    events: batch as unknown[],
    sentAt: (body as { sentAt?: unknown }).sentAt,
    original: (index) => Buffer.from(slice(index)),
    oversized: (index) => !small && Buffer.byteLength(slice(index)) > limits.eventBytes,
  };
};
