/** A bucket that others write to. */
import { type S3Client, paginateListObjectsV2 } from "@aws-sdk/client-s3";
import type { SourceObject, SourceObjects } from "../source-ports.ts";
import { calling } from "./errors.ts";
import { S3ObjectStore } from "./object-store.ts";

export class BucketObjects implements SourceObjects {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #store: S3ObjectStore;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
    this.#store = new S3ObjectStore(client, bucket, Date.now);
  }

  async *list(prefix: string): AsyncIterable<SourceObject> {
    const pages = paginateListObjectsV2({ client: this.#client }, { Bucket: this.#bucket, Prefix: prefix })[
      Symbol.asyncIterator
    ]();
    for (;;) {
      const page = await calling("listing objects", () => pages.next());
      if (page.done === true) return;
      for (const { Key, Size = 0, ETag = "", LastModified } of page.value.Contents ?? [])
        if (Key !== undefined)
          yield { key: Key, bytes: Size, version: ETag, modifiedAtMs: LastModified?.getTime() ?? Number.NaN };
    }
  }

  async read(key: string): Promise<AsyncIterable<Uint8Array>> {
    return await this.#store.get(key);
  }
}
