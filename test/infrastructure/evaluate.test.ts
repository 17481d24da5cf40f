import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { evaluateStacks } from "./evaluate.ts";

const fixture = (name: string) =>
  evaluateStacks({ stage: "dev", config: `test/infrastructure/fixtures/${name}.config.mjs` });

describe("an evaluation fails, and never shows less than there is", () => {
  it("when a resource waits for an input that never comes", async () => {
    await assert.rejects(fixture("never-resolved"), /could not be evaluated[^]*(?:never resolved|Waiting)/);
  });

  it("when SST's server is asked for something unknown, even if the program goes on", async () => {
    await assert.rejects(fixture("unknown-call"), /SST's server was asked for: Provider\.New/);
  });

  it("when the account is asked for something unknown", async () => {
    await assert.rejects(fixture("unknown-lookup"), /which the evaluation does not know/);
  });
});
