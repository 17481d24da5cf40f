/** The workflow context over AWS's own library, run by AWS's own local runner; waits are skipped. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { withDurableExecution } from "@aws/durable-execution-sdk-js";
import { LocalDurableTestRunner } from "@aws/durable-execution-sdk-js-testing";
import { TransientError } from "../ports.ts";
import type { WorkflowContext } from "../batch-ports.ts";
import { DurableWorkflowContext } from "./workflow-context.ts";

/** Before the runner skips time. */
const realTimeout = setTimeout;

const run = async (workflow: (context: WorkflowContext) => Promise<unknown>) => {
  const handlerFunction = withDurableExecution((_event: unknown, durable) =>
    workflow(new DurableWorkflowContext(durable)),
  );
  return new LocalDurableTestRunner({ handlerFunction }).run();
};

describe("a workflow in AWS", () => {
  before(() => LocalDurableTestRunner.setupTestEnvironment({ skipTime: true }));
  // Ending the runner's worker cuts off what is still on its way to node:test: it gets the time to arrive.
  after(() => new Promise((arrived) => realTimeout(arrived, 200)));
  after(() => LocalDurableTestRunner.teardownTestEnvironment());

  it("runs each step once, though the code runs again from the top after every wait", async () => {
    const done: string[] = [];
    let pieces = 0;
    let looks = 0;
    const execution = await run(async (context) => {
      pieces++;
      const first = await context.step("first", async () => {
        done.push("first");
        return { rows: 3 };
      });
      const seen = await context.waitFor("job", 30, async () => (++looks < 4 ? undefined : `look ${looks}`));
      const last = await context.step("last", async () => {
        done.push("last");
        return first.rows + 1;
      });
      return { seen, last };
    });
    assert.deepEqual(execution.getResult(), { seen: "look 4", last: 4 });
    assert.deepEqual(done, ["first", "last"]);
    assert.ok(pieces > 1, "the function ended while it waited");
  });

  it("tries a step again after a TransientError, and no other", async () => {
    let tries = 0;
    const passing = await run((context) =>
      context.step("throttled", async () => {
        if (++tries < 3) throw new TransientError("later");
        return tries;
      }),
    );
    assert.equal(passing.getResult(), 3);
    let wrong = 0;
    const failing = await run((context) =>
      context.step("wrong", async () => {
        wrong++;
        throw new TypeError("a bug");
      }),
    );
    assert.equal(failing.getStatus(), "FAILED");
    assert.equal(wrong, 1);
  });

  it("looks again after a look that failed for a reason outside", async () => {
    let looks = 0;
    const passing = await run((context) =>
      context.waitFor("job", 30, async () => {
        if (++looks === 2) throw new TransientError("throttled");
        return looks < 4 ? undefined : looks;
      }),
    );
    assert.equal(passing.getResult(), 4);
  });

  it("gives up looking after any other error", async () => {
    const failing = await run((context) =>
      context.waitFor("job", 30, () => Promise.reject(new RangeError("no such job"))),
    );
    assert.equal(failing.getStatus(), "FAILED");
  });
});
