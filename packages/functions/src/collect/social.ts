/**
 * Hooks of social platforms: what they post is checked by its signature (HMAC-SHA-256 over the bytes as they came),
 * mapped to social events and collected like any other. A post sent twice has one event id.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { listElements } from "@ebb/core/json-text";
import { type SocialPost, socialLayouts } from "@ebb/core/social-layouts";
import { limits } from "@ebb/core/limits";
import type { Ports } from "@ebb/ports";
import { type HttpEvent, type HttpHandler, header, httpHandler, json, rawBody } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { Problem } from "../runtime/problem.ts";
import { collect } from "./events.ts";
import { bodyText, parseJson } from "./request.ts";

export type SocialPorts = Pick<Ports, "now" | "newId" | "pseudonyms" | "settings" | "log" | "metrics">;

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
    checkSignature(event, raw, secret);
    const text = await bodyText(event);
    const { posts, ignored } = layout(parseJson(text));
    if (posts.length > limits.batchEvents)
      throw new Problem("too_large", `At most ${limits.batchEvents.toLocaleString("en")} posts are taken at once.`);
    if (posts.length === 0)
      return json(200, { success: true, received: 0, appended: 0, quarantined: 0, errors: [], ignored });

    const receivedAtMs = ports.now();
    const original = originals(text, posts);
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
        receiptId: ports.newId("rcp"),
        type: "track",
        pseudonyms: ports.pseudonyms,
        rates: ports.settings.rates,
        allowedProperties: new Set(),
        allowedTraits: new Set(),
        newEventId: () => ports.newId("evt"),
      },
      ignored.length === 0 ? {} : { ignored },
    );
  });

export const handler = onAws(make);

/** `X-Hub-Signature-256: sha256=<hex>`; X signs alike, in base64, in `X-Twitter-Webhooks-Signature`. */
const checkSignature = (event: HttpEvent, raw: Buffer, secret: string): void => {
  const presented = header(event, "x-hub-signature-256") ?? header(event, "x-twitter-webhooks-signature");
  const [scheme, value = ""] = (presented ?? "").trim().split(/=(.*)/s, 2);
  const given = Buffer.from(value, /^[0-9a-f]{64}$/i.test(value) ? "hex" : "base64");
  const expected = createHmac("sha256", secret).update(raw).digest();
  if (scheme !== "sha256" || given.length !== expected.length || !timingSafeEqual(given, expected))
    throw new Problem(
      "invalid_signature",
      presented === undefined
        ? "X-Hub-Signature-256 is missing: sha256= and the HMAC-SHA-256 of the body under the hook's secret."
        : "X-Hub-Signature-256 is not the HMAC-SHA-256 of this body under the hook's secret.",
    );
};

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
