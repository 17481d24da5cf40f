/** A Node request as the API Gateway v2 event that the same handler gets in AWS, and a handler's answer back. */
import { isUtf8 } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Context } from "aws-lambda";
import { type HttpEvent, type HttpResult, baseHeaders } from "@ebb/functions/runtime/http";
import type { Match } from "./router.ts";

const NOTHING = Buffer.alloc(0);

/**
 * API Gateway hands text over as text and everything else as base64. Bytes that claim to be text but are no UTF-8 also
 * go as base64, so that what ends in quarantine is what was sent.
 */
const isText = (headers: IncomingMessage["headers"], body: Buffer): boolean => {
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") return false;
  const type = headers["content-type"];
  return (
    type !== undefined &&
    /^(?:text\/|application\/(?:[\w.-]+\+)?json|application\/(?:javascript|xml))/i.test(type) &&
    isUtf8(body)
  );
};

/** Lower-case names, repeated headers joined by a comma; cookies apart. */
const headersOf = (request: IncomingMessage): Record<string, string> => {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value === undefined || name === "cookie") continue;
    headers[name] = typeof value === "string" ? value : value.join(",");
  }
  return headers;
};

const queryOf = (raw: string): Record<string, string> | undefined => {
  if (raw === "") return undefined;
  const query: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(raw))
    query[name] = Object.hasOwn(query, name) ? `${query[name]},${value}` : value;
  return query;
};

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (value: number): string => String(value).padStart(2, "0");
/** `21/Nov/2026:22:07:26 +0000`, the form that API Gateway uses. */
const clf = (atMs: number): string => {
  const at = new Date(atMs);
  return (
    `${two(at.getUTCDate())}/${MONTHS[at.getUTCMonth()]}/${at.getUTCFullYear()}:` +
    `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())} +0000`
  );
};

export const splitUrl = (url: string): { path: string; query: string } => {
  const mark = url.indexOf("?");
  return mark < 0 ? { path: url, query: "" } : { path: url.slice(0, mark), query: url.slice(mark + 1) };
};

/** The event of a request whose body is not read yet. */
export const eventOf = (request: IncomingMessage, match: Match, requestId: string, nowMs: number): HttpEvent => {
  const { path, query } = splitUrl(request.url ?? "/");
  const queryStringParameters = queryOf(query);
  const cookies = request.headers.cookie?.split("; ");
  const routeKey = `${match.route.method} ${match.route.path}`;
  return {
    version: "2.0",
    routeKey,
    rawPath: path,
    rawQueryString: query,
    ...(cookies === undefined ? {} : { cookies }),
    headers: headersOf(request),
    ...(queryStringParameters === undefined ? {} : { queryStringParameters }),
    requestContext: {
      accountId: "000000000000",
      apiId: "home",
      domainName: request.headers.host ?? "localhost",
      domainPrefix: "home",
      http: {
        method: request.method ?? "GET",
        path,
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp: request.socket.remoteAddress ?? "",
        userAgent: request.headers["user-agent"] ?? "",
      },
      requestId,
      routeKey,
      stage: "$default",
      time: clf(nowMs),
      timeEpoch: nowMs,
    },
    ...(match.pathParameters === undefined ? {} : { pathParameters: { ...match.pathParameters } }),
    isBase64Encoded: false,
  };
};

/**
 * The event with the request's body, made into text for who asks for it: an event lives until its request is answered, and
 * the texts of the requests that wait for a commit are more than the young generation holds.
 */
export const withBody = (event: HttpEvent, request: IncomingMessage, body: Buffer): HttpEvent => {
  if (body.length === 0) return event;
  const text = isText(request.headers, body);
  return {
    ...event,
    get body() {
      return body.toString(text ? "utf8" : "base64");
    },
    isBase64Encoded: !text,
  };
};

/** What Lambda would say of the running invocation. */
export const contextOf = (functionName: string, awsRequestId: string, remainingMs: () => number): Context => ({
  functionName,
  awsRequestId,
  functionVersion: "$LATEST",
  invokedFunctionArn: `arn:aws:lambda:home:000000000000:function:${functionName}`,
  memoryLimitInMB: "512",
  logGroupName: functionName,
  logStreamName: "home",
  callbackWaitsForEmptyEventLoop: false,
  getRemainingTimeInMillis: remainingMs,
  done: () => undefined,
  fail: () => undefined,
  succeed: () => undefined,
});

export const writeResult = (
  response: ServerResponse,
  result: HttpResult,
  extra: Readonly<Record<string, string>>,
): void => {
  const body =
    result.body === undefined ? NOTHING : Buffer.from(result.body, result.isBase64Encoded === true ? "base64" : "utf8");
  const headers: Record<string, string | number | string[]> = {
    ...(result.statusCode === 304 ? {} : baseHeaders),
    ...extra,
  };
  for (const [name, value] of Object.entries(result.headers ?? {}))
    headers[name] =
      name === "vary" && extra["vary"] !== undefined
        ? `${extra["vary"]}, ${String(value)}`
        : typeof value === "boolean"
          ? String(value)
          : value;
  if (result.cookies !== undefined) headers["set-cookie"] = result.cookies;
  const statusCode = result.statusCode ?? 200;
  if (statusCode !== 204 && statusCode !== 304) headers["content-length"] = body.length;
  response.writeHead(statusCode, headers);
  response.end(body);
};
