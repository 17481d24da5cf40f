import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { InvalidCursor } from "../ports.ts";
import type { OpenEventLog } from "./event-log.ts";
import { newReceipt, sampleEvent, samplePart } from "./samples.ts";

/** What every ledger promises. Its lines are written by appends. */
export const ledgerContract = (name: string, open: () => Promise<OpenEventLog>): void => {
  describe(`ledger: ${name}`, async () => {
    const { log, ledger, close } = await open();
    after(close);

    it("does not know a receipt that was never appended", async () => {
      assert.equal(await ledger.read(newReceipt()), undefined);
    });

    it("lists every receipt once over all pages, the newest first", async () => {
      const receipts = Array.from({ length: 7 }, () => newReceipt());
      for (const [index, receipt] of receipts.entries())
        await log.append(
          { ...samplePart(receipt, 1), receivedAtMs: 1_700_000_000_000 + index * 1000 },
          [sampleEvent(receipt)],
          [],
        );
      const listed: string[] = [];
      for (let cursor: string | undefined; ;) {
        const page = await ledger.list({ limit: 3, cursor });
        assert.ok(page.lines.length <= 3);
        listed.push(...page.lines.map((line) => line.receiptId));
        cursor = page.cursor;
        if (cursor === undefined) break;
      }
      assert.equal(new Set(listed).size, listed.length);
      const own = new Set<string>(receipts);
      assert.deepEqual(
        listed.filter((receipt) => own.has(receipt)),
        receipts.toReversed(),
      );
    });

    it("refuses a cursor that it has not handed out", async () => {
      await assert.rejects(ledger.list({ limit: 3, cursor: "bm9uc2Vuc2U" }), InvalidCursor);
    });
  });
};
