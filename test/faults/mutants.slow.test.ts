import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hunt, mutations } from "./mutants.ts";

describe("the fault campaign catches a program", () => {
  for (const mutation of mutations)
    it(`in which ${mutation.name}`, async () => {
      const { by } = await hunt(mutation, 400, 20_261_122);
      assert.ok(by.length > 0);
      for (const { schedule } of by) assert.match(schedule, /^(?:door|score|full|torn)\//);
    });
});
