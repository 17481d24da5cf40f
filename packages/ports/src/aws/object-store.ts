/** Objects in one S3 bucket. Streams go up in parts, so that a file of any size needs the memory of one part. */
import type { CompletedPart, S3Client } from "@aws-sdk/client-s3";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import type { ObjectStore } from "../ports.ts";
import { ObjectNotFound } from "../ports.ts";
import { calling, chunksOf, mapLimit } from "./errors.ts";

/** 10,000 parts of 8 MB make 80 GB; S3 takes parts from 5 MB on. */
const PART_BYTES = 8 * 1024 * 1024;
/** Keys that one DeleteObjects takes. */
const DELETE_KEYS = 1_000;

/** Cuts a stream into parts of PART_BYTES, the last one smaller; at least one part, if empty. */
async function* partsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let held: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    let rest = chunk;
    while (bytes + rest.length >= PART_BYTES) {
      const cut = PART_BYTES - bytes;
      yield Buffer.concat([...held, rest.subarray(0, cut)]);
      rest = rest.subarray(cut);
      held = [];
      bytes = 0;
    }
    // A source may use its buffer again: what is kept is copied.
    if (rest.length > 0) held.push(Uint8Array.from(rest));
    bytes += rest.length;
  }
  yield Buffer.concat(held);
}

const named = (error: unknown, ...names: readonly string[]): boolean =>
  error instanceof Error && names.includes(error.name);

export class S3ObjectStore implements ObjectStore {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #now: () => number;

  constructor(client: S3Client, bucket: string, now: () => number) {
    this.#client = client;
    this.#bucket = bucket;
    this.#now = now;
  }

  async put(key: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    if (body instanceof Uint8Array) return this.#putWhole(key, body);
    const parts = partsOf(body);
    const first = (await parts.next()).value as Buffer;
    if (first.length < PART_BYTES) return this.#putWhole(key, first);
    await this.#putParts(key, first, parts);
  }

  async #putWhole(key: string, body: Uint8Array): Promise<void> {
    await calling("writing an object", () =>
      this.#client.send(new PutObjectCommand({ Bucket: this.#bucket, Key: key, Body: body })),
    );
  }

  async #putParts(key: string, first: Buffer, rest: AsyncIterable<Buffer>): Promise<void> {
    const target = { Bucket: this.#bucket, Key: key };
    const { UploadId } = await calling("starting an object", () =>
      this.#client.send(new CreateMultipartUploadCommand(target)),
    );
    const parts: CompletedPart[] = [];
    const add = async (Body: Buffer): Promise<void> => {
      if (Body.length === 0) return;
      const PartNumber = parts.length + 1;
      const { ETag } = await calling("writing a part", () =>
        this.#client.send(new UploadPartCommand({ ...target, UploadId, PartNumber, Body })),
      );
      parts.push({ PartNumber, ETag });
    };
    try {
      await add(first);
      for await (const part of rest) await add(part);
      await calling("completing an object", () =>
        this.#client.send(
          new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts: parts } }),
        ),
      );
    } catch (error) {
      // Parts without an object cost until they are aborted; a failing abort is left to the bucket's lifecycle rule.
      await this.#client.send(new AbortMultipartUploadCommand({ ...target, UploadId })).catch(() => undefined);
      throw error;
    }
  }

  async get(key: string, start = 0, bytes = Infinity): Promise<AsyncIterable<Uint8Array>> {
    const end = Number.isFinite(bytes) ? start + bytes - 1 : "";
    try {
      const { Body } = await calling("reading an object", () =>
        this.#client.send(
          new GetObjectCommand({
            Bucket: this.#bucket,
            Key: key,
            ...(start > 0 || end !== "" ? { Range: `bytes=${start}-${end}` } : {}),
          }),
        ),
      );
      return chunks(Body as AsyncIterable<Uint8Array>);
    } catch (error) {
      if (named(error, "NoSuchKey", "NotFound"))
        throw new ObjectNotFound(`there is no object ${key}`, { cause: error });
      if (named(error, "InvalidRange")) return chunks([]); // from the end of the object on there is nothing
      throw error;
    }
  }

  async size(key: string): Promise<number | undefined> {
    try {
      const { ContentLength } = await calling("asking for an object", () =>
        this.#client.send(new HeadObjectCommand({ Bucket: this.#bucket, Key: key })),
      );
      return ContentLength ?? 0;
    } catch (error) {
      if (named(error, "NoSuchKey", "NotFound")) return undefined;
      throw error;
    }
  }

  async *list(prefix: string): AsyncIterable<string> {
    const pages = paginateListObjectsV2({ client: this.#client }, { Bucket: this.#bucket, Prefix: prefix })[
      Symbol.asyncIterator
    ]();
    for (;;) {
      const page = await calling("listing objects", () => pages.next());
      if (page.done === true) return;
      for (const { Key } of page.value.Contents ?? []) if (Key !== undefined) yield Key;
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    await mapLimit(chunksOf(keys, DELETE_KEYS), 4, async (chunk) => {
      const { Errors = [] } = await calling("deleting objects", () =>
        this.#client.send(
          new DeleteObjectsCommand({
            Bucket: this.#bucket,
            Delete: { Objects: chunk.map((Key) => ({ Key })), Quiet: true },
          }),
        ),
      );
      if (Errors.length > 0) {
        throw new Error(
          `${Errors.length} of ${chunk.length} objects were not deleted: ${Errors[0]?.Code ?? "no reason"}`,
        );
      }
    });
  }

  async uploadUrl(key: string, expiresAtMs: number): Promise<{ url: string; headers: Record<string, string> }> {
    const expiresIn = Math.max(1, Math.floor((expiresAtMs - this.#now()) / 1_000));
    const url = await getSignedUrl(this.#client, new PutObjectCommand({ Bucket: this.#bucket, Key: key }), {
      expiresIn,
    });
    return { url, headers: {} };
  }
}

/** A body read to its end; a connection lost on the way is a TransientError. */
async function* chunks(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = Symbol.asyncIterator in body ? body[Symbol.asyncIterator]() : body[Symbol.iterator]();
  try {
    for (;;) {
      const next = await calling("reading an object", async () => source.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await source.return?.();
  }
}
