import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { TransientError } from "../ports.ts";
import { EmbeddedRunStore } from "./run-store.ts";
import { EmbeddedWorkflowContext, WorkflowStopped } from "./workflow-context.ts";

let folder: string;
let store: EmbeddedRunStore;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "ebb-workflow-"));
  store = new EmbeddedRunStore(folder);
});
afterEach(async () => {
  store.close();
  await rm(folder, { recursive: true });
});

describe("a workflow on one machine", () => {
  it("runs a step once, also when the run goes on in another process; another run has its own steps", async () => {
    let runs = 0;
    const step = (runId: string) =>
      new EmbeddedWorkflowContext({ runId, store }).step("count", async () => ({ runs: ++runs, left: undefined }));
    assert.deepEqual(await step("a"), { runs: 1 });
    store.close();
    store = new EmbeddedRunStore(folder);
    assert.deepEqual(await step("a"), { runs: 1 });
    assert.deepEqual(await step("b"), { runs: 2 });
  });

  it("does not remember a step that failed", async () => {
    const context = new EmbeddedWorkflowContext({ runId: "a", store });
    await assert.rejects(
      context.step("once", async () => {
        throw new Error("first");
      }),
      /first/,
    );
    assert.equal(await context.step("once", async () => "second"), "second");
  });

  it("tries a step again that a store could not answer", async () => {
    let tries = 0;
    const context = new EmbeddedWorkflowContext({ runId: "a", store });
    const answer = await context.step("often", async () => {
      if (++tries < 2) throw new TransientError("busy");
      return tries;
    });
    assert.equal(answer, 2);
  });

  it("looks until there is an answer, and remembers it", async () => {
    let looks = 0;
    const look = async () => (++looks < 4 ? undefined : "there");
    const context = new EmbeddedWorkflowContext({ runId: "a", store });
    assert.equal(await context.waitFor("wait", 3_600, look), "there");
    assert.equal(await context.waitFor("wait", 3_600, look), "there");
    assert.equal(looks, 4);
  });

  it("stops between two steps and between two looks when it is told to", async () => {
    const stopping = new AbortController();
    const context = new EmbeddedWorkflowContext({ runId: "a", store, signal: stopping.signal });
    assert.equal(await context.step("before", async () => 1), 1);
    const waiting = assert.rejects(
      context.waitFor("for ever", 1, async () => undefined),
      WorkflowStopped,
    );
    stopping.abort();
    await waiting;
    await assert.rejects(
      context.step("after", async () => 2),
      WorkflowStopped,
    );
    assert.equal(await context.step("before", async () => 3), 1, "what is remembered is still told");
  });
});
