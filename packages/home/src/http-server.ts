/**
 * The front door on one machine: reads a request within its limit, hands it to the handler of its route as the event
 * that API Gateway would make of it, and writes the answer.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, STATUS_CODES, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Context } from "aws-lambda";
import type { Route } from "@ebb/functions/declarations";
import { functions } from "@ebb/functions/declarations";
import { type HttpEvent, type HttpHandler, type HttpResult, baseHeaders } from "@ebb/functions/runtime/http";
import { logger } from "@ebb/functions/runtime/logger";
import { Problem, problemResponse } from "@ebb/functions/runtime/problem";
import { limits } from "@ebb/core/limits";
import { release } from "@ebb/ports/release";
import { Admission } from "./admission.ts";
import { compressed } from "./compression.ts";
import { corsHeaders, preflightHeaders } from "./cors.ts";
import { contextOf, eventOf, splitUrl, withBody, writeResult } from "./http-event.ts";
import { discard, guardStream, readBody, tooLarge } from "./request-body.ts";
import { type Found, type Match, Router } from "./router.ts";

/** For routes that only this home serves: the body is streamed, so that a file of gigabytes needs no memory. */
export type StreamingHandler = (
  event: HttpEvent,
  body: AsyncIterable<Uint8Array>,
  context: Context,
) => Promise<HttpResult>;
export type RouteHandler =
  | { readonly kind: "whole"; readonly handle: HttpHandler }
  | { readonly kind: "streaming"; readonly handle: StreamingHandler };

/** Answers addresses outside the table of routes; `undefined` leaves the request to it. */
export type Control = (
  method: string,
  path: string,
  headers: IncomingMessage["headers"],
  query: string,
) => Promise<HttpResult> | undefined;

export interface FrontDoor {
  readonly routes: readonly Route[];
  /** By handler name. */
  readonly handlers: ReadonlyMap<string, RouteHandler>;
  readonly now: () => number;
  /** A sentence when nothing more should be taken in just now; `undefined` when all is well. */
  readonly overloaded: () => string | undefined;
  readonly control: Control;
  /** Whether an address of the `upload-url` routes was signed here and is still valid. */
  readonly uploadUrlIsValid: (path: string, query: Readonly<Record<string, string | undefined>>) => boolean;
}

const HEADERS_TIMEOUT_MS = 15_000;
/** An answer of which the client takes nothing for so long is given up. */
const ANSWER_IDLE_MS = 60_000;
/** Connections are kept for the next request up to here; beyond, each is closed after its answer. */
const KEPT_CONNECTIONS = 500;
/** Beyond these a connection is closed unheard: under load each takes some 100 KB, most of them outside the heap. */
const MAX_CONNECTIONS = 1_000;

const timeoutMsByHandler = new Map(functions.map(({ handler, timeoutSeconds }) => [handler, timeoutSeconds * 1000]));

interface OpenDoor extends FrontDoor {
  readonly router: Router;
}

export class HttpServer {
  readonly #corsOrigins: readonly string[];
  readonly #server: Server;
  readonly #opened = Promise.withResolvers<OpenDoor>();
  readonly #sockets = new Set<Socket>();
  #inFlight = 0;
  #idle: (() => void) | undefined;
  readonly #admission = new Admission();
  #closing = false;

  constructor(corsOrigins: readonly string[]) {
    this.#corsOrigins = corsOrigins;
    // `insecureHTTPParser` stays off: what could be read as two requests is refused by Node's parser, as 400.
    this.#server = createServer({
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: 5_000,
      requestTimeout: 0, // bodies have bounds of their own (request-body.ts): a file of gigabytes takes its time
      keepAliveTimeout: 65_000,
      maxHeaderSize: 16_384,
      requireHostHeader: false, // refused below, with an answer like any other
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on("clientError", answerClientError);
    const take = (request: IncomingMessage, response: ServerResponse, mayContinue: boolean): void => {
      this.#inFlight++;
      response.on("close", () => {
        if (--this.#inFlight === 0) this.#idle?.();
      });
      this.#serve(request, response, mayContinue).catch((error: unknown) => {
        if (error instanceof Problem) return this.#problem(request, response, error);
        if (request.destroyed && !response.headersSent) return void response.destroy(); // the client has gone
        logger.error("the front door failed", error instanceof Error ? error : new Error(String(error)));
        if (response.headersSent) return void response.destroy();
        this.#problem(
          request,
          response,
          new Problem("internal", "The request was not completed. It may be sent again."),
        );
      });
    };
    this.#server.on("request", (request, response) => take(request, response, false));
    this.#server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) =>
      take(request, response, true),
    );
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  /** From here on requests are answered; those that came before wait. */
  open(door: FrontDoor): void {
    this.#opened.resolve({ ...door, router: new Router(door.routes) });
  }

  /** @throws the system's error, e.g. EADDRINUSE */
  async listen(port: number, host: string): Promise<AddressInfo> {
    this.#server.listen(port, host);
    await once(this.#server, "listening");
    return this.#server.address() as AddressInfo;
  }

  /** Takes no new request, waits for those that are under way at most `graceMs`, then cuts what is left. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeIdleConnections();
    if (this.#inFlight > 0) {
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([
        new Promise<void>((resolve) => (this.#idle = resolve)),
        new Promise<void>((resolve) => (timer = setTimeout(resolve, graceMs))),
      ]);
      clearTimeout(timer);
    }
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse, mayContinue: boolean): Promise<void> {
    if (this.#closing || this.#sockets.size > KEPT_CONNECTIONS) response.setHeader("connection", "close");
    response.setTimeout(ANSWER_IDLE_MS, () => {
      if (response.writableEnded) request.socket.destroy();
    });
    const { httpVersion } = request;
    if (httpVersion !== "1.0" && (httpVersion !== "1.1" || request.headers.host === undefined))
      throw new Problem("bad_request", "A request is of HTTP/1.1 with a Host header, or of HTTP/1.0.");
    const method = request.method ?? "GET";
    const { path, query } = splitUrl(request.url ?? "/");
    const cors = corsHeaders(this.#corsOrigins, request.headers.origin);
    const door = await this.#opened.promise;

    const control = door.control(method, path, request.headers, query);
    if (control !== undefined) return writeResult(response, await control, {});

    if (method === "OPTIONS" && request.headers["access-control-request-method"] !== undefined)
      return this.#preflight(request, response, door.router, path);

    const match = this.#find(door, method, path, response);
    const { route } = match;
    const overload = method === "GET" ? undefined : (this.#admission.refusal() ?? door.overloaded());
    if (overload !== undefined) throw new Problem("unavailable", overload);
    if (route.auth === "upload-url" && !door.uploadUrlIsValid(path, Object.fromEntries(new URLSearchParams(query))))
      throw new Problem("forbidden", "The upload address is not valid, or no longer.");
    const maxBytes = route.bodyBytes ?? limits.directUploadBytes;
    if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw tooLarge(maxBytes);
    if (mayContinue) response.writeContinue();

    const handler = door.handlers.get(route.handler);
    if (handler === undefined) throw new Error(`no handler ${route.handler}`);
    const nowMs = door.now();
    const requestId = randomUUID();
    // By a clock that nobody sets: one that jumped a day would cut every request off that is under way.
    const deadlineMs = performance.now() + (timeoutMsByHandler.get(route.handler) ?? 29_000);
    const context = contextOf(route.handler, requestId, () => deadlineMs - performance.now());
    const head = eventOf(request, match, requestId, nowMs);
    if (handler.kind === "streaming") {
      guardStream(request);
      const result = await handler.handle(head, request, context);
      discard(request);
      return writeResult(response, result, cors);
    }
    const body = method === "GET" ? undefined : await this.#readBody(request, response, maxBytes);
    const event = body === undefined ? head : withBody(head, request, body);
    const answering = handler.handle(event, context);
    const answer = await (body === undefined ? answering : answering.finally(() => release(body)));
    writeResult(response, await compressed(answer, request.headers["accept-encoding"]), cors);
  }

  /** @throws Problem `not_found`, `method_not_allowed`, `bad_request` */
  #find(door: OpenDoor, method: string, path: string, response: ServerResponse): Match {
    let found: Found;
    try {
      found = door.router.find(method, path);
    } catch (error) {
      throw new Problem("bad_request", "The address is not valid percent-encoding.", {}, error);
    }
    if (found === undefined) throw new Problem("not_found", `There is nothing at ${path.slice(0, 200)}. See /v1/docs.`);
    if ("route" in found) return found;
    response.setHeader("allow", found.allow.join(", "));
    throw new Problem("method_not_allowed", `${path.slice(0, 200)} takes ${found.allow.join(" and ")}.`);
  }

  /** The whole body, which counts as in hand until the request is answered. @throws Problem */
  #readBody(request: IncomingMessage, response: ServerResponse, maxBytes: number): Promise<Buffer> {
    const declared = request.headers["content-length"];
    const { received, leave } = this.#admission.enter(declared === undefined ? undefined : Number(declared));
    response.on("close", leave);
    return readBody(request, maxBytes, received);
  }

  #preflight(request: IncomingMessage, response: ServerResponse, router: Router, path: string): void {
    const methods = ["GET", "POST", "PUT", "DELETE"].filter((method) => {
      try {
        const found = router.find(method, path);
        return found !== undefined && "route" in found;
      } catch {
        return false; // a path that is no valid percent-encoding has no methods
      }
    });
    response.writeHead(204, { ...baseHeaders, ...preflightHeaders(this.#corsOrigins, request.headers, methods) }).end();
  }

  /** Answers a problem without having read the body. */
  #problem(request: IncomingMessage, response: ServerResponse, problem: Problem): void {
    discard(request);
    writeResult(response, problemResponse(problem), corsHeaders(this.#corsOrigins, request.headers.origin));
  }
}

/** What Node's parser refused: no request to answer to, but somebody who may read why. */
const answerClientError = (error: NodeJS.ErrnoException, socket: Duplex): void => {
  if (!socket.writable || error.code === "ECONNRESET") return void socket.destroy();
  const problem =
    error.code === "HPE_HEADER_OVERFLOW"
      ? new Problem("headers_too_large", "All headers together have at most 16,384 bytes.")
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? new Problem("too_slow", "The headers did not arrive in time.")
        : new Problem("bad_request", "This is not a valid HTTP request.");
  const { statusCode = 400, headers = {}, body = "" } = problemResponse(problem);
  const lines = Object.entries({ ...baseHeaders, ...headers, "content-length": Buffer.byteLength(body) });
  socket.end(
    `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? ""}\r\nconnection: close\r\n${lines
      .map(([name, value]) => `${name}: ${String(value)}\r\n`)
      .join("")}\r\n${body}`,
  );
};
