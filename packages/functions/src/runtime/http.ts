/**
 * The wrapping of every HTTP handler: a thin layer over an API Gateway v2 event, errors as problem details in one place.
 */
import middy, { type MiddlewareObj } from "@middy/core";
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from "aws-lambda";
import { TransientError } from "@ebb/ports";
import { limits } from "@ebb/core/limits";
import { constants, gunzip } from "node:zlib";
import { logger } from "./logger.ts";
import { Problem, problemResponse } from "./problem.ts";

export type HttpEvent = APIGatewayProxyEventV2;
export type HttpResult = APIGatewayProxyStructuredResultV2;
export type HttpHandler = (event: HttpEvent, context: Context) => Promise<HttpResult>;

/**
 * On every answer that sets none of its own: nothing of it is a page, is to be framed, or to be taken for another type.
 * Not on a 304, whose headers would replace those of the page that the browser has kept.
 */
export const baseHeaders = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
} as const;

/** Where TLS was used to get here, it is to be used for two years (RFC 6797). */
const STRICT_TRANSPORT = { "strict-transport-security": "max-age=63072000" };

/**
 * Makes a handler of a function that answers or throws a `Problem`. A `TransientError` becomes 503 with Retry-After;
 * anything else that is thrown is a fault of ours: logged with its cause, answered 500 without it.
 */
export const httpHandler = (respond: (event: HttpEvent) => Promise<HttpResult>): HttpHandler => {
  const safe: MiddlewareObj<HttpEvent, HttpResult> = {
    after: (request: Request) => {
      if (request.response != null) request.response = withSecurityHeaders(request.event, request.response);
    },
    onError: (request: Request) => {
      request.response = withSecurityHeaders(request.event, problemResponse(problemOf(request.error)));
    },
  };
  return middy<HttpEvent, HttpResult>()
    .use(safe)
    .handler((event) => respond(event));
};

/** What a middleware sees. Middy's own type leaves the response open. */
interface Request {
  response: HttpResult | null | undefined;
  readonly error: unknown;
  readonly event: HttpEvent;
}

const withSecurityHeaders = (event: HttpEvent, result: HttpResult): HttpResult => ({
  ...result,
  headers: {
    ...(result.statusCode === 304 ? {} : { ...baseHeaders, "cache-control": "no-store" }),
    ...(header(event, "x-forwarded-proto") === "https" ? STRICT_TRANSPORT : {}),
    ...result.headers,
  },
});

const problemOf = (error: unknown): Problem => {
  if (error instanceof Problem) return error;
  if (error instanceof TransientError) {
    logger.warn("a store could not answer", error);
    return new Problem("unavailable", "Nothing of this request was kept. Send it again.", {}, error);
  }
  logger.error("unhandled error", error instanceof Error ? error : new Error(String(error)));
  return new Problem("internal", "The request was not completed. It may be sent again.", {}, error);
};

export const json = (statusCode: number, body: unknown, headers: Record<string, string> = {}): HttpResult => ({
  statusCode,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

/** A header by its lower-case name. API Gateway v2 gives names in lower case already; the embedded home does the same. */
export const header = (event: HttpEvent, name: string): string | undefined => event.headers[name];

/** The body's bytes as they came, before any decompression. */
export const rawBody = (event: HttpEvent): Buffer =>
  Buffer.from(event.body ?? "", event.isBase64Encoded ? "base64" : "utf8");

/**
 * The body with its content encoding undone, never more than `maxBytes` of it.
 * @throws Problem `too_large`, `unsupported_media_type`, `bad_request` for broken gzip
 */
export const decodedBody = async (event: HttpEvent, maxBytes: number = limits.batchBytes): Promise<Buffer> => {
  const raw = rawBody(event);
  const encoding = (header(event, "content-encoding") ?? "identity").trim().toLowerCase();
  if (encoding !== "identity" && encoding !== "gzip" && encoding !== "x-gzip")
    throw new Problem(
      "unsupported_media_type",
      `Content encoding "${encoding.slice(0, 40)}" is not supported; use gzip or none.`,
    );
  if (raw.length > maxBytes) throw tooLarge(maxBytes);
  if (encoding === "identity") return raw;
  return await new Promise<Buffer>((resolve, reject) => {
    gunzip(raw, { maxOutputLength: maxBytes, finishFlush: constants.Z_FINISH }, (error, result) => {
      if (error === null) resolve(result);
      else if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") reject(tooLarge(maxBytes));
      else reject(new Problem("bad_request", "The body says that it is gzip, but it cannot be unpacked."));
    });
  });
};

const tooLarge = (maxBytes: number): Problem =>
  new Problem("too_large", `At most ${maxBytes.toLocaleString("en")} bytes are taken here, unpacked.`, {
    limit_bytes: maxBytes,
  });
