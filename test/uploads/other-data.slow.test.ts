/** The other public files through the upload handlers, with the figures that are known of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamEvent } from "@ebb/core/stream-event";
import { folded } from "./folded.ts";
import { missing, read } from "./online-retail-file.ts";
import { openStores } from "./stores.ts";

const within = (
  name: string,
  file: string,
  run: (stores: Awaited<ReturnType<typeof openStores>>) => Promise<void>,
): void =>
  void test(name, { skip: missing(file) }, async () => {
    const stores = await openStores();
    try {
      await run(stores);
      for (const event of stores.events().slice(0, 300)) StreamEvent.parse(event);
    } finally {
      stores.close();
    }
  });

within("of 14,640 tweets 14,485 are accepted, by tweet id", "airline_tweets.csv.gz", async (stores) => {
  const { ledger } = await stores.upload(read("airline_tweets.csv.gz"));
  assert.deepEqual(ledger, {
    ...{ received: 14_640, accepted: 14_485, duplicate: 155, quarantined: 0, reasons: {} },
    conflicting: 119, // 36 rows are exact repeats
  });
  const events = stores.events();
  assert.equal(new Set(events.map((event) => event.post_id)).size, 14_485);
  assert.ok(events.every((event) => event.kind === "social_mentioned" && !/@\w/.test(event.body!)));
  const again = await stores.upload(read("airline_tweets.csv.gz"));
  assert.deepEqual([again.ledger!.accepted, again.ledger!.duplicate], [0, 14_640]);
});

within(
  "17,434 REES46 events: 17,055 views, 165 carts, 214 purchases of 4,504 users",
  "rees46_events.csv.gz",
  async (stores) => {
    const { ledger } = await stores.upload(read("rees46_events.csv.gz"), { currency: "GBP" });
    assert.deepEqual(ledger, { received: 17_434, accepted: 17_434, duplicate: 0, quarantined: 0, reasons: {} });
    const events = stores.events();
    const count = (kind: string) => events.filter((event) => event.kind === kind).length;
    assert.deepEqual(["product_viewed", "product_added", "order_completed"].map(count), [17_055, 165, 214]);
    assert.equal(new Set(events.map((event) => event.customer_key)).size, 4_504);
  },
);

within(
  "CDNOW: 69,659 transactions of 23,570 customers for 2,500,315.63 dollars, the sample 6,919",
  "cdnow_master.txt.gz",
  async (stores) => {
    const { ledger } = await stores.upload(read("cdnow_master.txt.gz"));
    assert.deepEqual(ledger, { received: 69_659, accepted: 69_659, duplicate: 0, quarantined: 0, reasons: {} });
    const customers = folded(stores.events());
    assert.equal(customers.size, 23_570);
    assert.equal(
      [...customers.values()].reduce((sum, { grossMinor }) => sum + grossMinor, 0),
      250_031_563,
    );
    const sample = await stores.upload(read("cdnow_sample.txt.gz"), { layout: "cdnow_sample" });
    // The sample is a part of the master file: the same rows, under the same customers.
    assert.deepEqual(sample.ledger, { received: 6_919, accepted: 0, duplicate: 6_919, quarantined: 0, reasons: {} });
  },
);
