/** UCI's Online Retail through the upload handlers: the ledger, the events, and RFM folded from them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamEvent } from "@ebb/core/stream-event";
import { folded, keyed, sorted } from "./folded.ts";
import { missing, plainCustomers, read } from "./online-retail-file.ts";
import { openStores } from "./stores.ts";

const NAME = "online_retail.csv.gz";

test(
  "Online Retail becomes 25,900 events whose lines and RFM are those of the file",
  { skip: missing(NAME) },
  async () => {
    const csv = read(NAME);
    const stores = await openStores();
    try {
      const { state, ledger } = await stores.upload(csv);
      assert.equal(state, "done");
      assert.deepEqual(ledger, { received: 541_909, accepted: 541_909, duplicate: 0, quarantined: 0, reasons: {} });
      const events = stores.events();
      assert.equal(events.length, 25_900);
      const lines = events.flatMap((event) => event.lines!);
      assert.equal(lines.length, 541_909);
      assert.equal(new Set(lines.map((line) => line.line_id)).size, 541_909);
      assert.equal(
        lines.reduce((sum, line) => sum + line.total_minor, 0),
        974_774_793,
      );
      assert.equal(Math.max(...events.map((event) => event.lines!.length)), 1_114);
      // Two dates in one invoice: 43 of them.
      assert.equal(events.filter((event) => event.lines!.some((line) => line.occurred_at !== undefined)).length, 43);
      for (const event of events.slice(0, 500)) StreamEvent.parse(event);
      const expected = keyed(plainCustomers(csv.toString("utf8")), stores.ports.pseudonyms);
      assert.equal(expected.size, 4_372);
      assert.deepEqual(sorted(folded(events)), sorted(expected));
    } finally {
      stores.close();
    }
  },
);
