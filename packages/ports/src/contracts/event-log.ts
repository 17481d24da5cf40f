import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { EventLog, Ledger, Quarantine, QuarantinedItem } from "../ports.ts";
import { newReceipt, sampleEvent, samplePart, sampleQuarantined } from "./samples.ts";

export interface OpenEventLog {
  readonly log: EventLog;
  readonly ledger: Ledger;
  readonly quarantine: Quarantine;
  /**
   * Events on the log, as the JSON texts that were appended, oldest first within a partition key. May be more than this
   * suite wrote.
   */
  readonly readAll: () => Promise<string[]>;
  /** Closes the adapter and opens it again over the same data. */
  readonly reopen: () => Promise<OpenEventLog>;
  readonly close: () => Promise<void>;
}

const byRow = (items: readonly QuarantinedItem[]) =>
  items.map((item) => ({ ...item, original: Buffer.from(item.original).toString("hex") }));

/** What every event log promises, with the ledger and the quarantine that its parts write. */
export const eventLogContract = (name: string, open: () => Promise<OpenEventLog>): void => {
  describe(`event log: ${name}`, async () => {
    let opened = await open();
    after(async () => opened.close());

    const countOf = async (json: string) => (await opened.readAll()).filter((text) => text === json).length;

    it("makes the events of a part readable, byte for byte, and says how many", async () => {
      const receipt = newReceipt();
      const events = [1, 2, 3].map((n) => sampleEvent(`${receipt} ${n}`));
      const answer = await opened.log.append(samplePart(receipt, 3), events, []);
      assert.equal(answer.appended, 3);
      if (answer.duplicates !== undefined) assert.deepEqual(answer.duplicates, []);
      for (const event of events) assert.equal(await countOf(event.json), 1);
    });

    it("answers a committed part as the first time and changes nothing", async () => {
      const receipt = newReceipt();
      const events = [1, 2].map((n) => sampleEvent(`${receipt} ${n}`));
      const items = [sampleQuarantined(receipt, 7, "invalid_field")];
      const first = await opened.log.append(samplePart(receipt, 3, 1), events, items);
      const again = await opened.log.append(samplePart(receipt, 3, 1), events, items);
      assert.deepEqual(again, first);
      const line = await opened.ledger.read(receipt);
      assert.deepEqual([line?.received, line?.appended, line?.quarantined], [3, 2, 1]);
      assert.equal((await opened.quarantine.list({ receiptId: receipt, limit: 10 })).items.length, 1);
    });

    it("balances the ledger: received = appended + quarantined, and accepted + duplicate = appended where settled", async () => {
      const receipt = newReceipt();
      const known = sampleEvent(`${receipt} known`);
      await opened.log.append(samplePart(newReceipt(), 1), [known], []);
      const fresh = sampleEvent(`${receipt} fresh`);
      const items = [sampleQuarantined(receipt, 1, "unknown_currency")];
      const answer = await opened.log.append(samplePart(receipt, 3, 1), [known, fresh], items);
      assert.equal(answer.appended, 2);
      if (answer.duplicates !== undefined) assert.deepEqual(answer.duplicates, [known.eventId]);
      const line = await opened.ledger.read(receipt);
      assert.ok(line);
      assert.deepEqual([line.channel, line.source, line.receivedAtMs], ["http", "shop", 1_700_000_000_000]);
      assert.equal(line.received, line.appended + line.quarantined);
      assert.deepEqual([line.received, line.quarantined], [3, 1]);
      if (answer.duplicates !== undefined) assert.deepEqual([line.accepted, line.duplicate], [1, 1]);
    });

    it("adds the parts of an upload up", async () => {
      const receipt = newReceipt("upl");
      for (const part of [0, 1, 2])
        await opened.log.append(
          samplePart(receipt, 10, 1, part),
          [sampleEvent(`${receipt} ${part}`)],
          [sampleQuarantined(receipt, part * 10, "malformed_row")],
        );
      const line = await opened.ledger.read(receipt);
      assert.deepEqual([line?.channel, line?.received, line?.appended, line?.quarantined], ["upload", 30, 27, 3]);
    });

    it("keeps quarantined items whole, in the order of their rows, by reason and in pages", async () => {
      const receipt = newReceipt();
      const items = [5, 1, 3].map((row) =>
        sampleQuarantined(receipt, row, row === 3 ? "future_time" : "invalid_field"),
      );
      await opened.log.append(samplePart(receipt, 3, 3), [], items);
      const sorted = items.toSorted((a, b) => a.rowNumber - b.rowNumber);
      const first = await opened.quarantine.list({ receiptId: receipt, limit: 2 });
      const rest = await opened.quarantine.list({ receiptId: receipt, limit: 2, cursor: first.cursor });
      assert.deepEqual(byRow([...first.items, ...rest.items]), byRow(sorted));
      const future = await opened.quarantine.list({ receiptId: receipt, code: "future_time", limit: 10 });
      assert.deepEqual(byRow(future.items), byRow([sorted[1]!]));
      assert.deepEqual(await opened.quarantine.counts({ receiptId: receipt }), { invalid_field: 2, future_time: 1 });
    });

    it("carries an empty part, a part beyond one record and events of 300 KB", async () => {
      const empty = newReceipt();
      assert.equal((await opened.log.append(samplePart(empty, 0), [], [])).appended, 0);
      assert.equal((await opened.ledger.read(empty))?.received, 0);
      const many = newReceipt();
      const events = Array.from({ length: 1_203 }, (_, n) => sampleEvent(`${many} ${n}`));
      await opened.log.append(samplePart(many, events.length), events, []);
      const large = newReceipt();
      const heavy = [1, 2, 3, 4].map((n) => sampleEvent(`${large} ${n}`, 300_000));
      await opened.log.append(samplePart(large, heavy.length), heavy, []);
      const stored = new Set(await opened.readAll());
      for (const event of [...events, ...heavy]) assert.ok(stored.has(event.json));
    });

    it("takes 64 parts at once, each whole", async () => {
      const parts = Array.from({ length: 64 }, (_, n) => {
        const receipt = newReceipt();
        return { receipt, events: [0, 1, 2].map((k) => sampleEvent(`${receipt} ${n} ${k}`)) };
      });
      await Promise.all(parts.map(({ receipt, events }) => opened.log.append(samplePart(receipt, 3), events, [])));
      const stored = await opened.readAll();
      const counts = new Map<string, number>();
      for (const text of stored) counts.set(text, (counts.get(text) ?? 0) + 1);
      for (const { events } of parts) for (const event of events) assert.equal(counts.get(event.json), 1);
    });

    it("keeps everything over a reopening, the answers of committed parts included", async () => {
      const receipt = newReceipt();
      const events = [sampleEvent(`${receipt} 1`)];
      const items = [sampleQuarantined(receipt, 4, "missing_field")];
      const first = await opened.log.append(samplePart(receipt, 2, 1), events, items);
      opened = await opened.reopen();
      assert.equal(await countOf(events[0]!.json), 1);
      assert.deepEqual(await opened.log.append(samplePart(receipt, 2, 1), events, items), first);
      assert.deepEqual(byRow((await opened.quarantine.list({ receiptId: receipt, limit: 5 })).items), byRow(items));
    });
  });
};
