import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { CustomerScores, ScoreStore, ScoresDocument } from "../batch-ports.ts";
import { sampleCustomerKey } from "./samples.ts";

export interface OpenScoreStore {
  readonly store: ScoreStore;
  readonly reopen: () => Promise<OpenScoreStore>;
  readonly close: () => Promise<void>;
}

let customers = 0;
const newKey = (): string => sampleCustomerKey(`scored ${++customers}`);

const scores = (customerKey: string, runId = "2026-06-01"): CustomerScores => ({
  customerKey,
  runId,
  asOf: "2026-06-01T00:00:00.000Z",
  segment: "Can't Lose",
  cluster: "Großkunden",
  churnProbability: 0.1234567890123456,
  churnDecile: 3,
  horizonDays: 90,
  drivers: [
    { feature: "recency", logOdds: 1.25, inWords: "has not ordered for a long time" },
    { feature: "country=United Kingdom", logOdds: -1e-9 },
  ],
  expectedValueMinor: 12_345,
  probabilityActive: 1,
});

const documentOf = (each: CustomerScores): ScoresDocument => ({
  customerKey: each.customerKey,
  document: JSON.stringify(each),
});

/** What every score store promises: the scores of a customer as last put, whole. */
export const scoreStoreContract = (name: string, open: () => Promise<OpenScoreStore>): void => {
  describe(`score store: ${name}`, async () => {
    let opened = await open();
    after(async () => opened.close());

    it("does not know a customer that was never scored", async () => {
      assert.equal(await opened.store.scores(newKey()), undefined);
    });

    it("gives back what was put, every digit of it, over a reopening", async () => {
      const each = scores(newKey());
      await opened.store.putScores([documentOf(each)]);
      assert.deepEqual(await opened.store.scores(each.customerKey), each);
      opened = await opened.reopen();
      assert.deepEqual(await opened.store.scores(each.customerKey), each);
    });

    it("replaces scores whole: what a later run does not know is gone", async () => {
      const each = scores(newKey());
      await opened.store.putScores([documentOf(each)]);
      const later: CustomerScores = {
        customerKey: each.customerKey,
        runId: "2026-06-02",
        asOf: "2026-06-02T00:00:00.000Z",
        segment: "Lost",
      };
      await opened.store.putScores([documentOf(later)]);
      await opened.store.putScores([documentOf(later)]);
      assert.deepEqual(await opened.store.scores(each.customerKey), later);
    });

    it("takes more customers in one call than any service does in one request", async () => {
      const keys = Array.from({ length: 333 }, newKey);
      await opened.store.putScores(keys.map((key) => documentOf(scores(key))));
      for (const key of [keys[0]!, keys[25]!, keys[100]!, keys[332]!])
        assert.deepEqual(await opened.store.scores(key), scores(key));
      await opened.store.putScores([]);
    });
  });
};
