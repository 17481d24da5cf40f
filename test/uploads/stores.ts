/** The upload handlers over the embedded adapters, in one thread: what the home does, without its HTTP server. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Context } from "aws-lambda";
import { Pseudonymizer } from "@ebb/core/ids";
import type { RateTable } from "@ebb/core/money";
import { make as makeProcess } from "@ebb/functions/collect/process-upload";
import { makeStreaming } from "@ebb/functions/collect/upload-content";
import { make as makeUploads } from "@ebb/functions/collect/uploads";
import type { HttpEvent, HttpResult } from "@ebb/functions/runtime/http";
import type { ApiKey, Upload } from "@ebb/ports";
import { EmbeddedOrderBook, LogReader, openFront } from "@ebb/ports/embedded";
import { MemorySuppressions } from "@ebb/ports/suppression-list";
import type { ReceiptId } from "@ebb/core/ids";
import type { StreamEvent } from "@ebb/core/stream-event";

export const SECRET = "a secret for tests, of 32 characters or more";
const KEYS: Record<string, ApiKey> = {
  "write-shop": { id: "key_1", scopes: ["write"], source: "shop" },
  "write-other": { id: "key_2", scopes: ["write"], source: "other" },
  "read-all": { id: "key_3", scopes: ["read:operations"], source: "shop" },
};

export interface StoresOptions {
  readonly rates?: RateTable;
  readonly now?: () => number;
}

export type Stores = Awaited<ReturnType<typeof openStores>>;

/** @returns everything in a folder of its own, which `close` removes */
export const openStores = async (options: StoresOptions = {}) => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-uploads-"));
  const now = options.now ?? (() => Date.parse("2026-01-01T00:00:00Z"));
  const front = await openFront(folder, {
    now,
    objects: { baseUrl: () => "http://127.0.0.1:1", uploadUrlSecret: SECRET },
  });
  const orderBook = new EmbeddedOrderBook(folder);
  const reader = new LogReader(folder);
  const queue: ReceiptId[] = [];
  let ids = 0;
  const ports = {
    ...front,
    orderBook,
    now,
    newId: (prefix: string) => `${prefix}_${String(++ids).padStart(8, "0")}`,
    pseudonyms: new Pseudonymizer(SECRET),
    keys: { find: async (presented: string) => KEYS[presented] },
    settings: {
      rates: options.rates ?? { reportingCurrency: "GBP", rates: {} },
      corsOrigins: [],
      hookSecrets: {},
      allowedProperties: [],
      allowedTraits: [],
    },
    metrics: { count: () => undefined },
    suppressions: new MemorySuppressions("a second secret of thirty-two and more characters"),
    jobs: { processUpload: async (uploadId: ReceiptId) => void queue.push(uploadId) },
  };
  const uploads = makeUploads(ports);
  const process = makeProcess(ports);
  const content = makeStreaming(ports);
  let runs = 0;
  const context = (remainingMs: () => number): Context =>
    ({ awsRequestId: `run-${runs++}`, getRemainingTimeInMillis: remainingMs }) as Context;

  const request = (
    method: string,
    pathParameters: Record<string, string> | undefined,
    query: Record<string, string>,
    headers: Record<string, string>,
    body?: Buffer,
  ): HttpEvent =>
    ({
      routeKey: `${method} /v1/uploads${pathParameters === undefined ? "" : "/{id}"}`,
      requestContext: { http: { method }, timeEpoch: now() },
      pathParameters,
      queryStringParameters: query,
      headers: { authorization: "Bearer write-shop", ...headers },
      body: body?.toString("base64"),
      isBase64Encoded: true,
    }) as unknown as HttpEvent;

  const post = async (
    body: Buffer | string,
    query: Record<string, string> = {},
    headers: Record<string, string> = {},
  ) =>
    answerOf(
      await uploads(
        request("POST", undefined, query, { "content-type": "text/csv", ...headers }, Buffer.from(body)),
        context(() => 9e5),
      ),
    );

  /** Works the queue off. */
  const drain = async (remainingMs: () => number = () => 9e5): Promise<void> => {
    for (let id = queue.shift(); id !== undefined; id = queue.shift())
      await process({ uploadId: id }, context(remainingMs));
  };

  return {
    folder,
    front,
    ports,
    queue,
    uploads,
    process,
    context,
    request,
    post,
    drain,
    get: async (id: string, headers: Record<string, string> = {}) =>
      answerOf(
        await uploads(
          request("GET", { id }, {}, headers),
          context(() => 9e5),
        ),
      ),
    list: async (query: Record<string, string> = {}, headers: Record<string, string> = {}) =>
      answerOf(
        await uploads(
          request("GET", undefined, query, headers),
          context(() => 9e5),
        ),
      ),
    /** Stores a body of any size as an upload's content, as a PUT to its URL does. */
    send: async (body: AsyncIterable<Uint8Array> | Buffer, query: Record<string, unknown> = {}): Promise<string> => {
      const made = await post(
        JSON.stringify({ content: "upload_url", ...query }),
        {},
        { "content-type": "application/json" },
      );
      if (made.status !== 201) throw new Error(JSON.stringify(made.body));
      const id = made.body["upload_id"] as string;
      const chunks = Buffer.isBuffer(body) ? [body] : body;
      const put = answerOf(
        await content(
          request("PUT", { id }, {}, {}),
          chunks as AsyncIterable<Uint8Array>,
          context(() => 9e5),
        ),
      );
      if (put.status !== 202) throw new Error(JSON.stringify(put.body));
      return id;
    },
    /** Sends a file, works it off, and answers the upload as it is then. */
    upload: async function (body: Buffer | string, query: Record<string, unknown> = {}): Promise<Upload> {
      const id = await this.send(Buffer.from(body), query);
      await drain();
      return (await front.uploads.get(id as ReceiptId))!;
    },
    /** All events on the log, in order. */
    events: (): StreamEvent[] => linesOf(reader).map((line) => JSON.parse(line.toString("utf8")) as StreamEvent),
    /** The same as their bytes. */
    lines: (): Buffer[] => linesOf(reader),
    quarantined: async () => (await front.quarantine.list({ limit: 1000 })).items,
    close: () => {
      reader.close();
      orderBook.close();
      front.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

const answerOf = (result: HttpResult) => ({
  status: result.statusCode ?? 200,
  body: JSON.parse(result.body ?? "{}") as Record<string, unknown>,
});

const linesOf = (reader: LogReader): Buffer[] => {
  const lines: Buffer[] = [];
  for (let after = 0; ;) {
    const records = reader.read(after, 100, 50_000_000);
    if (records.length === 0) return lines;
    for (const { seq, data } of records) {
      after = seq;
      for (const line of Buffer.from(data).toString("utf8").split("\n")) if (line !== "") lines.push(Buffer.from(line));
    }
  }
};
