/**
 * Hooks of social platforms: what they post is checked by its signature (HMAC-SHA-256 over the bytes as they came),
 * mapped to social events and collected like any other. Platforms' signatures carry no time, so a delivery is known by
 * its bytes: the same bytes again, from a platform that did not hear our answer or from somebody who recorded them, are
 * the same receipt and the same events, however late, and change nothing.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { digest } from "@ebb/core/ids";
import { listElements } from "@ebb/core/json-text";
import { type SocialPost, socialLayouts } from "@ebb/core/social-layouts";
import { limits } from "@ebb/core/limits";
import type { Ports } from "@ebb/ports";
import { type HttpEvent, type HttpHandler, header, httpHandler, json, rawBody } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { Problem } from "../runtime/problem.ts";
import { collect } from "./events.ts";
import { bodyText, parseJson } from "./request.ts";

export type SocialPorts = Pick<Ports, "now" | "newId" | "pseudonyms" | "settings" | "log" | "suppressions" | "metrics">;

export const make = (ports: SocialPorts): HttpHandler =>
  httpHandler(async (event) => {
    const platform = event.pathParameters?.["platform"] ?? "";
    const layout = Object.hasOwn(socialLayouts, platform) ? socialLayouts[platform] : undefined;
    const secrets = ports.settings.hookSecrets;
    const secret = Object.hasOwn(secrets, platform) ? secrets[platform] : undefined;
    if (layout === undefined || secret === undefined)
      throw new Problem("not_found", "No hook is set up for this platform: it needs a known layout and a secret.");
    if (event.requestContext.http.method === "GET") return challenge(event, platform, secret);

    const raw = rawBody(event);
    if (raw.length > limits.batchBytes)
      throw new Problem("too_large", `At most ${limits.batchBytes.toLocaleString("en")} bytes are taken here.`);
    checkSignature(event, raw, secret, ports.now());
    const text = await bodyText(event);
    const { posts, ignored } = layout(parseJson(text));
    if (posts.length > limits.batchEvents)
      throw new Problem("too_large", `At most ${limits.batchEvents.toLocaleString("en")} posts are taken at once.`);
    if (posts.length === 0)
      return json(200, { success: true, received: 0, appended: 0, quarantined: 0, errors: [], ignored });

    const receivedAtMs = ports.now();
    const original = originals(text, posts);
    const delivery = digest("hook", platform, signatureOf(raw, secret).toString("hex"));
    let nameless = 0;
    return collect(
      ports,
      {
        events: posts.map((post) => post.wire),
        sentAt: undefined,
        original,
        oversized: (index) => text.length * 3 > limits.eventBytes && original(index).length > limits.eventBytes,
      },
      {
        channel: "social",
        source: platform,
        receivedAtMs,
        receivedAt: new Date(receivedAtMs).toISOString(),
        sentAt: undefined,
        receiptId: `rcp_${delivery}`,
        type: "track",
        pseudonyms: ports.pseudonyms,
        rates: ports.settings.rates,
        allowedProperties: new Set(),
        allowedTraits: new Set(),
        // A post without an id of its own is known by its place in the delivery.
        newEventId: () => `evt_${digest("hook", delivery, nameless++)}`,
      },
      ignored.length === 0 ? {} : { ignored },
    );
  });

export const handler = onAws(make);

const signatureOf = (signed: string | Buffer, secret: string): Buffer =>
  createHmac("sha256", secret).update(signed).digest();

/** How far the time in a signature may be from ours, either way. */
const WINDOW_SECONDS = 300;

/**
 * `X-Hub-Signature-256: sha256=<hex>` over the body; X signs alike, in base64, in `X-Twitter-Webhooks-Signature`. A relay
 * of one's own may put the time under the signature: `X-Ebb-Signature: t=<Unix seconds>,v1=<hex of t, a dot, the body>`.
 */
const checkSignature = (event: HttpEvent, raw: Buffer, secret: string, nowMs: number): void => {
  const timed = header(event, "x-ebb-signature");
  if (timed !== undefined) return checkTimed(timed, raw, secret, nowMs);
  const presented = header(event, "x-hub-signature-256") ?? header(event, "x-twitter-webhooks-signature");
  const [scheme, value = ""] = (presented ?? "").trim().split(/=(.*)/s, 2);
  const given = Buffer.from(value, /^[0-9a-f]{64}$/i.test(value) ? "hex" : "base64");
  if (scheme !== "sha256" || !isSame(given, signatureOf(raw, secret)))
    throw new Problem(
      "invalid_signature",
      presented === undefined
        ? "X-Hub-Signature-256 is missing: sha256= and the HMAC-SHA-256 of the body under the hook's secret."
        : "X-Hub-Signature-256 is not the HMAC-SHA-256 of this body under the hook's secret.",
    );
};

const checkTimed = (presented: string, raw: Buffer, secret: string, nowMs: number): void => {
  const [, seconds, hex] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/i.exec(presented.trim()) ?? [];
  if (seconds === undefined || hex === undefined)
    throw new Problem("invalid_signature", "X-Ebb-Signature is not of the form t=<Unix seconds>,v1=<64 hex digits>.");
  const expected = signatureOf(Buffer.concat([Buffer.from(`${seconds}.`), raw]), secret);
  if (!isSame(Buffer.from(hex, "hex"), expected))
    throw new Problem("invalid_signature", "X-Ebb-Signature does not sign this time and body under the hook's secret.");
  if (Math.abs(nowMs / 1000 - Number(seconds)) > WINDOW_SECONDS)
    throw new Problem(
      "invalid_signature",
      `The time in X-Ebb-Signature is more than ${WINDOW_SECONDS} seconds from the server's.`,
    );
};

const isSame = (given: Buffer, expected: Buffer): boolean =>
  given.length === expected.length && timingSafeEqual(given, expected);

/**
 * X's challenge-response check: the HMAC of a token under the same secret that signs bodies. A token that could be a
 * body is refused, so that nobody has one signed here.
 */
const challenge = (event: HttpEvent, platform: string, secret: string) => {
  const token = event.queryStringParameters?.["crc_token"];
  if (platform !== "twitter") throw new Problem("not_found", "This platform's hook has no challenge.");
  if (token === undefined || !/^[\w+/=.-]{1,200}$/.test(token))
    throw new Problem("invalid_parameter", "crc_token is missing or is not a token.");
  return json(200, { response_token: `sha256=${createHmac("sha256", secret).update(token).digest("base64")}` });
};

/** The bytes of each post as they stand in the document. */
const originals = (text: string, posts: readonly SocialPost[]): ((index: number) => Buffer) => {
  const lists = new Map<string, [number, number][]>();
  return (index) => {
    const post = posts[index]!;
    if (posts.length === 1 && post.list === undefined) return Buffer.from(text);
    const name = post.list ?? "";
    const slices = lists.get(name) ?? listElements(text, name);
    lists.set(name, slices);
    const [start, end] = slices[post.index]!;
    return Buffer.from(text.slice(start, end));
  };
};
