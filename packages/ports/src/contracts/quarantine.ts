import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { InvalidCursor, type Quarantine } from "../ports.ts";
import { newReceipt, sampleQuarantined } from "./samples.ts";

export interface OpenQuarantine {
  readonly quarantine: Quarantine;
  readonly close: () => Promise<void>;
}

/** What every quarantine promises for items that come without an append. */
export const quarantineContract = (name: string, open: () => Promise<OpenQuarantine>): void => {
  describe(`quarantine: ${name}`, async () => {
    const { quarantine, close } = await open();
    after(close);

    it("keeps an item once, however often it is put", async () => {
      const receipt = newReceipt();
      const item = sampleQuarantined(receipt, 2, "unreadable_record");
      await quarantine.put([item]);
      await Promise.all([quarantine.put([item]), quarantine.put([item])]);
      const { items } = await quarantine.list({ receiptId: receipt, limit: 10 });
      assert.equal(items.length, 1);
      assert.deepEqual(Buffer.from(items[0]!.original), Buffer.from(item.original));
      assert.deepEqual({ ...items[0], original: 0 }, { ...item, original: 0 });
    });

    it("keeps an item that names no field without one", async () => {
      const receipt = newReceipt();
      const { field: _field, ...item } = sampleQuarantined(receipt, 0, "invalid_json");
      await quarantine.put([item]);
      const { items } = await quarantine.list({ receiptId: receipt, limit: 10 });
      assert.equal(Object.hasOwn(items[0]!, "field"), false);
    });

    it("lists everything of all receipts in pages, each once", async () => {
      const receipts = [newReceipt(), newReceipt(), newReceipt()];
      for (const receipt of receipts)
        await quarantine.put([0, 1, 2, 3].map((row) => sampleQuarantined(receipt, row, "too_large")));
      const seen: string[] = [];
      for (let cursor: string | undefined; ;) {
        const page = await quarantine.list({ limit: 5, cursor });
        seen.push(...page.items.map((item) => `${item.receiptId} ${item.rowNumber}`));
        cursor = page.cursor;
        if (cursor === undefined) break;
      }
      assert.equal(new Set(seen).size, seen.length);
      for (const receipt of receipts)
        assert.deepEqual(
          seen.filter((entry) => entry.startsWith(receipt)),
          [0, 1, 2, 3].map((row) => `${receipt} ${row}`),
        );
    });

    it("counts by reason", async () => {
      const receipt = newReceipt();
      await quarantine.put([
        sampleQuarantined(receipt, 0, "too_large"),
        sampleQuarantined(receipt, 1, "too_large"),
        sampleQuarantined(receipt, 2, "invalid_time"),
      ]);
      assert.deepEqual(await quarantine.counts({ receiptId: receipt }), { too_large: 2, invalid_time: 1 });
      const all = await quarantine.counts({});
      assert.ok((all["too_large"] ?? 0) >= 2);
    });

    it("remembers what became of items that were sent again, and tells those that never were apart", async () => {
      const receipt = newReceipt();
      await quarantine.put([0, 1, 2].map((row) => sampleQuarantined(receipt, row, "no_exchange_rate")));
      const replayed = { receiptId: newReceipt(), outcome: "appended", atMs: 1_700_000_100_000 } as const;
      const refused = { ...replayed, outcome: "refused" } as const;
      await quarantine.markReplayed([
        { receiptId: receipt, rowNumber: 0, replayed },
        { receiptId: receipt, rowNumber: 2, replayed: refused },
      ]);
      await quarantine.markReplayed([{ receiptId: receipt, rowNumber: 0, replayed }]);
      const { items } = await quarantine.list({ receiptId: receipt, limit: 10 });
      assert.deepEqual(
        items.map((item) => item.replayed),
        [replayed, undefined, refused],
      );
      const { items: open } = await quarantine.list({ receiptId: receipt, open: true, limit: 10 });
      assert.deepEqual(
        open.map((item) => item.rowNumber),
        [1],
      );
    });

    it("lists what was quarantined since an instant", async () => {
      const receipt = newReceipt();
      const item = sampleQuarantined(receipt, 0, "invalid_time");
      await quarantine.put([item, { ...item, rowNumber: 1, quarantinedAtMs: item.quarantinedAtMs + 1_000 }]);
      const { items } = await quarantine.list({ receiptId: receipt, sinceMs: item.quarantinedAtMs + 1, limit: 10 });
      assert.deepEqual(
        items.map(({ rowNumber }) => rowNumber),
        [1],
      );
    });

    it("refuses a cursor that it has not handed out", async () => {
      await assert.rejects(quarantine.list({ limit: 3, cursor: "nonsense" }), InvalidCursor);
    });
  });
};
