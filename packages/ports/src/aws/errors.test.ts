import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ProvisionedThroughputExceededException, ResourceNotFoundException } from "@aws-sdk/client-kinesis";
import { TransientError } from "../ports.ts";
import { calling, mapLimit } from "./errors.ts";

const failing = (error: unknown) => calling("the call", () => Promise.reject(error as Error));
const named = (name: string, more: object = {}) => Object.assign(new Error(name), { name }, more);

describe("errors of the services", () => {
  const transient: readonly [string, unknown][] = [
    ["throttling", new ProvisionedThroughputExceededException({ message: "slow", $metadata: {} })],
    ["S3's SlowDown", named("SlowDown", { $metadata: { httpStatusCode: 503 } })],
    ["an internal error", named("InternalFailure", { $metadata: { httpStatusCode: 500 } })],
    ["an answer of 429", named("Anything", { $metadata: { httpStatusCode: 429 } })],
    ["a lost connection", Object.assign(new Error("socket hang up"), { code: "ECONNRESET" })],
    ["a timeout", named("TimeoutError")],
    ["what the SDK marks as retryable", named("Odd", { $retryable: { throttling: false } })],
  ];
  for (const [what, error] of transient) {
    it(`tells ${what} as transient, with its cause`, async () => {
      await assert.rejects(failing(error), (told) => told instanceof TransientError && told.cause === error);
    });
  }

  const lasting: readonly [string, unknown][] = [
    ["a missing stream", new ResourceNotFoundException({ message: "no stream", $metadata: { httpStatusCode: 400 } })],
    ["a denied access", named("AccessDeniedException", { $metadata: { httpStatusCode: 403 } })],
    ["a bug of ours", new TypeError("undefined is not a function")],
  ];
  for (const [what, error] of lasting) {
    it(`lets ${what} through unchanged`, async () => {
      await assert.rejects(failing(error), (told) => told === error);
    });
  }
});

describe("calls side by side", () => {
  it("keep their order in the answer and never exceed the width", async () => {
    let open = 0;
    let most = 0;
    const answers = await mapLimit([5, 1, 4, 2, 3, 0], 2, async (wait) => {
      most = Math.max(most, ++open);
      for (let turn = 0; turn < wait; turn++) await Promise.resolve();
      open--;
      return wait * 10;
    });
    assert.deepEqual(answers, [50, 10, 40, 20, 30, 0]);
    assert.equal(most, 2);
  });

  it("start no more after the first error", async () => {
    const started: number[] = [];
    await assert.rejects(
      mapLimit([0, 1, 2, 3, 4, 5], 2, async (item) => {
        started.push(item);
        await Promise.resolve();
        if (item === 1) throw new Error("broken");
        await Promise.resolve();
      }),
      /broken/,
    );
    assert.ok(started.length < 6);
  });
});
