/**
 * `POST /v1/uploads` takes a file, or gives a URL for one; `GET /v1/uploads[/{id}]` tells what became of it. A write key
 * sees the uploads of its own source alone.
 */
import { z } from "zod";
import type { ReceiptId } from "@ebb/core/ids";
import { limits } from "@ebb/core/limits";
import type { ApiKey, Ports, Upload } from "@ebb/ports";
import { authorize } from "../runtime/authorisation.ts";
import type { HttpEvent, HttpResult } from "../runtime/http.ts";
import { header, httpHandler, json, rawBody } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { Problem } from "../runtime/problem.ts";
import { pageFrom } from "../serve/paging.ts";
import { FileProblem } from "./files/file-problem.ts";
import { originalKeyOf } from "./files/originals.ts";
import { SAMPLE_BYTES, sniff } from "./files/sniff.ts";
import { UploadOptions } from "./files/upload-options.ts";
import { uploadAnswer } from "./files/upload-answer.ts";

/** How long an upload URL is good for. */
const URL_MS = 3_600_000;

type UploadsPorts = Pick<Ports, "now" | "newId" | "keys" | "uploads" | "objects" | "jobs">;

export const make = (ports: UploadsPorts) =>
  httpHandler(async (event) => {
    const isPost = event.requestContext.http.method === "POST";
    const key = await authorize(ports.keys, event);
    if (isPost) return await create(ports, key, event);
    const id = event.pathParameters?.["id"];
    return id === undefined ? await list(ports, key, event) : await read(ports, key, id as ReceiptId);
  });

export const handler = onAws((ports: Ports) => make(ports));

/** Options that are not about reading the file. */
const Request = UploadOptions.extend({
  filename: z.string().max(1000).optional(),
  source: z.string().optional(),
});
const UrlRequest = Request.extend({
  content: z.literal("upload_url", 'content is "upload_url"; a file is sent as the body of its own type'),
  /** Bytes of the file, where the client knows them. */
  size: z.int().nonnegative().max(5_000_000_000, "a file has at most 5,000,000,000 bytes").optional(),
});

/** @throws Problem that lists every fault at once */
const parsed = <Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> => {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.map(({ path, message }) => ({ parameter: path.join("."), message }));
  throw new Problem(
    "invalid_parameter",
    errors.map(({ parameter, message }) => `${parameter}: ${message}`).join("; "),
    {
      errors,
    },
  );
};

const create = async (ports: UploadsPorts, key: ApiKey, event: HttpEvent): Promise<HttpResult> => {
  const type = (header(event, "content-type") ?? "").split(";", 1)[0]!.trim().toLowerCase();
  const query = event.queryStringParameters ?? {};
  return type === "application/json"
    ? await createUrl(ports, key, query, rawBody(event))
    : await createFromBody(ports, key, parsed(Request, query), rawBody(event));
};

const newUpload = (
  ports: UploadsPorts,
  key: ApiKey,
  state: Upload["state"],
  request: z.infer<typeof Request>,
): Upload => {
  const { filename, source, ...options } = request;
  if (source !== undefined && source !== key.source)
    throw new Problem("forbidden", `This key sends events of the source "${key.source}" and of no other.`);
  const uploadId = ports.newId("upl") as ReceiptId;
  const now = ports.now();
  const name = filename === undefined ? "" : plainName(filename);
  return {
    uploadId,
    state,
    source: key.source,
    ...(name === "" ? {} : { filename: name }),
    objectKey: originalKeyOf(uploadId, now),
    options,
    createdAtMs: now,
    updatedAtMs: now,
  };
};

/** What the client calls the file, to be shown and nothing else: no folders, nothing unprintable. */
const plainName = (filename: string): string =>
  (filename.split(/[\\/]/).at(-1) ?? "").replace(/[\p{C}]/gu, "").slice(0, 255);

const createFromBody = async (
  ports: UploadsPorts,
  key: ApiKey,
  request: z.infer<typeof Request>,
  body: Buffer,
): Promise<HttpResult> => {
  if (body.length > limits.directUploadBytes)
    throw new Problem(
      "too_large",
      `A file sent as the body has at most ${limits.directUploadBytes.toLocaleString("en")} bytes. For a larger one POST {"content":"upload_url"} as application/json and PUT the file to the URL in the answer.`,
      { limit_bytes: limits.directUploadBytes },
    );
  const upload = newUpload(ports, key, "queued", request);
  try {
    await sniff(body.subarray(0, SAMPLE_BYTES), body.length <= SAMPLE_BYTES, request);
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error;
    const code =
      error.refusal.code === "unknown_layout"
        ? "unknown_layout"
        : error.refusal.code === "too_large"
          ? "too_large"
          : "bad_request";
    throw new Problem(code, error.message, { reason: error.refusal.code, ...error.extra }, error);
  }
  await ports.objects.put(upload.objectKey, body);
  await ports.uploads.put(upload);
  await ports.jobs.processUpload(upload.uploadId);
  return json(202, uploadAnswer(upload), { location: `/v1/uploads/${upload.uploadId}` });
};

const createUrl = async (
  ports: UploadsPorts,
  key: ApiKey,
  query: Readonly<Record<string, string | undefined>>,
  body: Buffer,
): Promise<HttpResult> => {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch (error) {
    throw new Problem(
      "invalid_json",
      'A body of application/json holds the options of an upload, {"content":"upload_url", …}. Send rows of JSON as application/x-ndjson.',
      {},
      error,
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Problem(
      "bad_request",
      'The body is not an object such as {"content":"upload_url"}. Send rows of JSON as application/x-ndjson.',
    );
  const { content: _content, size: _size, ...request } = parsed(UrlRequest, { ...query, ...value });
  const upload = newUpload(ports, key, "awaiting_content", request);
  const expiresAtMs = ports.now() + URL_MS;
  const { url, headers } = await ports.objects.uploadUrl(upload.objectKey, expiresAtMs);
  await ports.uploads.put(upload);
  return json(
    201,
    {
      ...uploadAnswer(upload),
      upload: { method: "PUT", url, headers, expires_at: new Date(expiresAtMs).toISOString() },
    },
    { location: `/v1/uploads/${upload.uploadId}` },
  );
};

const sees = (key: ApiKey, upload: Upload): boolean =>
  key.scopes.includes("read:operations") || upload.source === key.source;

const read = async (ports: UploadsPorts, key: ApiKey, uploadId: ReceiptId): Promise<HttpResult> => {
  const upload = await ports.uploads.get(uploadId);
  // An upload of another source is not told apart from none.
  if (upload === undefined || !sees(key, upload)) throw new Problem("not_found", "There is no such upload.");
  return json(200, uploadAnswer(upload));
};

const PAGE = 50;
/** Pages of other sources' uploads that are passed over before a short answer is given with its cursor. */
const PAGES = 20;

const list = async (ports: UploadsPorts, key: ApiKey, event: HttpEvent): Promise<HttpResult> => {
  const query = parsed(
    z.object({ limit: z.coerce.number().int().min(1).max(200).default(PAGE), cursor: z.string().max(2000).optional() }),
    event.queryStringParameters ?? {},
  );
  const uploads: Upload[] = [];
  let { cursor } = query;
  for (let page = 0; page < PAGES; page++) {
    const found = await pageFrom(ports.uploads.list({ limit: query.limit - uploads.length, cursor }));
    uploads.push(...found.uploads.filter((upload) => sees(key, upload)));
    cursor = found.cursor;
    if (cursor === undefined || uploads.length === query.limit) break;
  }
  return json(200, { uploads: uploads.map(uploadAnswer), ...(cursor === undefined ? {} : { cursor }) });
};
