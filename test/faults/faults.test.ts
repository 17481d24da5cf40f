/** A taste of the campaign: it ends clean, and what failed once is found again by its name. The tenth: `faults.slow.test.ts`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { logger } from "@ebb/functions/runtime/logger";
import { campaign } from "./campaign.ts";
import { EmbeddedCustomerStore } from "@ebb/ports/embedded/customer-store";

logger.setLogLevel("SILENT"); // what goes wrong here is meant to
const plan = { schedules: 150, dynamodb: 0, kills: 0, seed: 1, only: undefined };

test("schedules on the adapters of one machine lose nothing, double nothing, balance and drift nowhere", async () => {
  for (const part of await campaign(plan)) {
    const tally = await part.run(undefined);
    assert.deepEqual(tally.failures, [], part.name);
    assert.ok(tally.clean && tally.schedules > 0, part.name);
  }
});

test("a schedule is repeated by its name, with the same faults", async () => {
  for (const only of ["door/0/dies after 17", "door/1/chance 3", "torn/2", "full/1"]) {
    const once = async () => {
      const [part, ...others] = await campaign({ ...plan, only });
      assert.deepEqual(others, []);
      return await part!.run(only);
    };
    const [first, second] = [await once(), await once()];
    assert.equal(first.schedules, 1, only);
    assert.deepEqual([...first.faults], [...second.faults], only);
    assert.ok(first.faults.size > 0, only);
  }
});

test("a store that forgets what it wrote is found out", async () => {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own `this` below
  const write = EmbeddedCustomerStore.prototype.write;
  let writes = 0;
  EmbeddedCustomerStore.prototype.write = async function (some) {
    if (++writes % 5 !== 0) return await write.call(this, some);
    return new Map(some.map(({ customer }) => [customer.customerKey, "written" as const]));
  };
  try {
    for (const part of await campaign(plan)) {
      const tally = await part.run(undefined);
      assert.ok(tally.failures.length > 0 && tally.drifted > 0 && !tally.clean, part.name);
    }
  } finally {
    EmbeddedCustomerStore.prototype.write = write;
  }
});
