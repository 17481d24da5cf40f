import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { ObjectNotFound, type ObjectStore } from "../ports.ts";
import { newReceipt } from "./samples.ts";

export interface OpenObjectStore {
  readonly store: ObjectStore;
  readonly reopen: () => Promise<OpenObjectStore>;
  readonly close: () => Promise<void>;
}

const folder = `contract/${newReceipt()}`;
const key = (name: string): string => `${folder}/${name}`;

const bytesOf = async (body: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
};

const all = async <T>(values: AsyncIterable<T>): Promise<T[]> => {
  const list: T[] = [];
  for await (const value of values) list.push(value);
  return list;
};

/** 12 MB in uneven chunks: beyond one part of a multipart upload. */
const large = Buffer.from(Uint32Array.from({ length: 3_000_000 }, (_, n) => n).buffer);
async function* inChunks(bytes: Buffer): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 70_001) yield bytes.subarray(at, at + 70_001);
}

/** What every object store promises: whole objects or none. */
export const objectStoreContract = (name: string, open: () => Promise<OpenObjectStore>): void => {
  describe(`object store: ${name}`, async () => {
    let opened = await open();
    after(async () => opened.close());

    it("gives back the bytes that were put, whole, from any byte on and up to any", async () => {
      const bytes = Buffer.from([0, 255, 10, 13, 0]);
      await opened.store.put(key("small"), bytes);
      assert.deepEqual(await bytesOf(await opened.store.get(key("small"))), bytes);
      assert.deepEqual(await bytesOf(await opened.store.get(key("small"), 3)), bytes.subarray(3));
      assert.deepEqual(await bytesOf(await opened.store.get(key("small"), 0, 2)), bytes.subarray(0, 2));
      assert.deepEqual(await bytesOf(await opened.store.get(key("small"), 3, 99)), bytes.subarray(3));
      assert.equal(await opened.store.size(key("small")), 5);
    });

    it("takes an empty object and a long stream", async () => {
      await opened.store.put(key("empty"), new Uint8Array());
      assert.equal(await opened.store.size(key("empty")), 0);
      assert.equal((await bytesOf(await opened.store.get(key("empty")))).length, 0);
      await opened.store.put(key("large"), inChunks(large));
      assert.equal(await opened.store.size(key("large")), large.length);
      assert.ok(large.equals(await bytesOf(await opened.store.get(key("large")))));
      assert.ok(large.subarray(11_000_003).equals(await bytesOf(await opened.store.get(key("large"), 11_000_003))));
      const some = await bytesOf(await opened.store.get(key("large"), 300_001, 600_000));
      assert.ok(large.subarray(300_001, 900_001).equals(some));
    });

    it("replaces an object whole", async () => {
      await opened.store.put(key("replaced"), Buffer.from("a longer first one"));
      await opened.store.put(key("replaced"), Buffer.from("second"));
      assert.equal((await bytesOf(await opened.store.get(key("replaced")))).toString(), "second");
    });

    it("leaves nothing behind when the body breaks off", async () => {
      async function* broken(): AsyncIterable<Uint8Array> {
        yield Buffer.alloc(6_000_000);
        throw new Error("the client went away");
      }
      await assert.rejects(opened.store.put(key("broken"), broken()), /the client went away/);
      assert.equal(await opened.store.size(key("broken")), undefined);
    });

    it("says that there is no such object", async () => {
      await assert.rejects(opened.store.get(key("none")), ObjectNotFound);
      assert.equal(await opened.store.size(key("none")), undefined);
    });

    it("lists the keys under a prefix in byte order", async () => {
      const names = ["list/a/1", "list/a-b", "list/a.b", "list/b/1/2", "list/b/10", "list/c"];
      for (const each of names) await opened.store.put(key(each), Buffer.from(each));
      const sorted = names.map(key).sort((a, b) => (a < b ? -1 : 1));
      assert.deepEqual(await all(opened.store.list(key("list/"))), sorted);
      assert.deepEqual(await all(opened.store.list(key("list/b/1"))), [key("list/b/1/2"), key("list/b/10")]);
      assert.deepEqual(await all(opened.store.list(key("nothing"))), []);
    });

    it("deletes, and does not mind what is gone already", async () => {
      await opened.store.put(key("gone/1"), Buffer.from("1"));
      await opened.store.put(key("gone/2"), Buffer.from("2"));
      await opened.store.delete([key("gone/1"), key("gone/never")]);
      await opened.store.delete([key("gone/1")]);
      await opened.store.delete([]);
      assert.deepEqual(await all(opened.store.list(key("gone/"))), [key("gone/2")]);
    });

    it("gives an address for an upload's content", async () => {
      const { url, headers } = await opened.store.uploadUrl(
        `uploads/${newReceipt("upl")}/content`,
        Date.now() + 60_000,
      );
      assert.match(url, /^https?:\/\//);
      assert.equal(typeof headers, "object");
    });

    it("keeps objects over a reopening", async () => {
      await opened.store.put(key("kept"), Buffer.from("kept"));
      opened = await opened.reopen();
      assert.equal((await bytesOf(await opened.store.get(key("kept")))).toString(), "kept");
    });
  });
};
