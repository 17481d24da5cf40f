/** A seeded tenth of the fault campaign (`npm run faults` runs it all). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { logger } from "@ebb/functions/runtime/logger";
import { campaign } from "./campaign.ts";

logger.setLogLevel("SILENT"); // what goes wrong here is meant to

// The DynamoDB part runs in the lane of the emulators (`test/aws/schedules.aws.test.ts`), 50 kills in `test/home`.
test("a tenth of the fault campaign loses nothing, doubles nothing, balances and drifts nowhere", async () => {
  for (const part of await campaign({ schedules: 1_000, dynamodb: 0, kills: 0, seed: 20_261_122, only: undefined })) {
    const tally = await part.run(undefined);
    assert.deepEqual(tally.failures, [], part.name);
    assert.ok(tally.clean && tally.schedules > 0, part.name);
  }
});
