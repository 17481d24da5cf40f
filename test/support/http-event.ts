/** An API Gateway v2 event for a handler under test, and its answer as a client reads it. */
import type { Context } from "aws-lambda";
import type { HttpEvent, HttpHandler } from "@ebb/functions/runtime/http";
import { WRITE_KEY } from "./memory-ports.ts";
import { routeKeyOf } from "./route-key.ts";

export interface RequestOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly pathParameters?: Readonly<Record<string, string>>;
  /** Sends no key in the headers. */
  readonly anonymous?: boolean;
}

export const httpEvent = (path: string, body: unknown, options: RequestOptions = {}): HttpEvent => {
  const bytes = body instanceof Uint8Array;
  return {
    version: "2.0",
    routeKey: routeKeyOf(options.method ?? "POST", path),
    rawPath: path,
    rawQueryString: new URLSearchParams(options.query).toString(),
    headers: {
      "content-type": "application/json",
      ...(options.anonymous === true ? {} : { authorization: `Basic ${btoa(`${WRITE_KEY}:`)}` }),
      ...options.headers,
    },
    ...(options.query === undefined ? {} : { queryStringParameters: { ...options.query } }),
    ...(options.pathParameters === undefined ? {} : { pathParameters: { ...options.pathParameters } }),
    requestContext: {
      accountId: "",
      apiId: "",
      domainName: "shop.example",
      domainPrefix: "",
      http: { method: options.method ?? "POST", path, protocol: "HTTP/1.1", sourceIp: "192.0.2.1", userAgent: "test" },
      requestId: "test",
      routeKey: "",
      stage: "$default",
      time: "",
      timeEpoch: 0,
    },
    body: bytes ? Buffer.from(body).toString("base64") : typeof body === "string" ? body : JSON.stringify(body),
    isBase64Encoded: bytes,
  };
};

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly body: {
    readonly errors: readonly { index: number; code: string; field?: string; message: string }[];
    readonly [field: string]: unknown;
  };
}

export const send = async (
  handler: HttpHandler,
  path: string,
  body: unknown,
  options: RequestOptions = {},
): Promise<Answer> => {
  const result = await handler(httpEvent(path, body, options), {} as Context);
  const text = result.body ?? "";
  return {
    status: result.statusCode ?? 200,
    headers: (result.headers ?? {}) as Record<string, string>,
    text,
    body: (text.startsWith("{") ? JSON.parse(text) : {}) as Answer["body"],
  };
};
