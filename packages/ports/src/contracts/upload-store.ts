import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { InvalidCursor, type Upload, type UploadStore } from "../ports.ts";
import { newReceipt } from "./samples.ts";

export interface OpenUploadStore {
  readonly store: UploadStore;
  readonly reopen: () => Promise<OpenUploadStore>;
  readonly close: () => Promise<void>;
}

const upload = (createdAtMs: number): Upload => {
  const uploadId = newReceipt("upl");
  return {
    uploadId,
    state: "queued",
    source: "shop",
    filename: "Bestellungen 2011.csv",
    objectKey: `uploads/${uploadId}/content`,
    options: { mode: "append", mapping: { total: "Summe" } },
    createdAtMs,
    updatedAtMs: createdAtMs,
  };
};

/** What every upload store promises: the state as last put, and one holder of the right to process. */
export const uploadStoreContract = (name: string, open: () => Promise<OpenUploadStore>): void => {
  describe(`upload store: ${name}`, async () => {
    let opened = await open();
    after(async () => opened.close());

    it("does not know an upload that was never put", async () => {
      assert.equal(await opened.store.get(newReceipt("upl")), undefined);
    });

    it("gives the newest state back, checkpoint and ledger included", async () => {
      const queued = upload(1_700_000_000_000);
      await opened.store.put(queued);
      assert.deepEqual(await opened.store.get(queued.uploadId), queued);
      const done: Upload = {
        ...queued,
        state: "done",
        updatedAtMs: 1_700_000_009_000,
        checkpoint: { part: 3, offsets: [1, 2, 3] },
        progress: { rowsRead: 10, bytesRead: 400, bytesTotal: 400 },
        ledger: { received: 10, accepted: 7, duplicate: 2, quarantined: 1 },
      };
      await opened.store.put(done);
      assert.deepEqual(await opened.store.get(queued.uploadId), done);
    });

    it("keeps the problem of a refused file", async () => {
      const failed: Upload = {
        ...upload(1),
        state: "failed",
        problem: { code: "invalid_encoding", message: "not UTF-8" },
      };
      await opened.store.put(failed);
      assert.deepEqual(await opened.store.get(failed.uploadId), failed);
    });

    it("lists every upload once, the newest first", async () => {
      const uploads = Array.from({ length: 5 }, (_, n) => upload(1_800_000_000_000 + n * 1000));
      for (const each of uploads) await opened.store.put(each);
      await opened.store.put({ ...uploads[0]!, state: "done" }); // an old one stays in its place
      const listed: string[] = [];
      for (let cursor: string | undefined; ;) {
        const page = await opened.store.list({ limit: 2, cursor });
        listed.push(...page.uploads.map((each) => each.uploadId));
        cursor = page.cursor;
        if (cursor === undefined) break;
      }
      assert.equal(new Set(listed).size, listed.length);
      assert.deepEqual(listed.slice(0, 5), uploads.map((each) => each.uploadId).toReversed());
      await assert.rejects(opened.store.list({ limit: 2, cursor: "nonsense" }), InvalidCursor);
    });

    it("leases to one run at a time, until the lease ends", async () => {
      const each = upload(1);
      await opened.store.put(each);
      assert.equal(await opened.store.lease(each.uploadId, "run 1", 1_000, 10_000), true);
      assert.equal(await opened.store.lease(each.uploadId, "run 2", 1_000, 10_500), false);
      assert.equal(await opened.store.lease(each.uploadId, "run 1", 1_000, 10_600), true); // prolongs its own
      await opened.store.put({ ...each, state: "processing" }); // a put does not end a lease
      assert.equal(await opened.store.lease(each.uploadId, "run 2", 1_000, 11_100), false);
      assert.equal(await opened.store.lease(each.uploadId, "run 2", 1_000, 11_600), true);
      assert.equal(await opened.store.lease(each.uploadId, "run 1", 1_000, 11_700), false);
    });

    it("gives a free lease to one of 64 that ask at once", async () => {
      const each = upload(1);
      await opened.store.put(each);
      const granted = await Promise.all(
        Array.from({ length: 64 }, (_, n) => opened.store.lease(each.uploadId, `run ${n}`, 1_000, 10_000)),
      );
      assert.equal(granted.filter(Boolean).length, 1);
    });

    it("keeps uploads over a reopening", async () => {
      const each = upload(1);
      await opened.store.put(each);
      opened = await opened.reopen();
      assert.deepEqual(await opened.store.get(each.uploadId), each);
    });
  });
};
