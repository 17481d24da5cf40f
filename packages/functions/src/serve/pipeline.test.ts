import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pulse } from "@ebb/ports";
import { ask } from "../../../../test/support/mart-lake.ts";
import { memoryPorts } from "../../../../test/support/memory-ports.ts";
import { make } from "./pipeline.ts";

const NOW_MS = Date.UTC(2026, 5, 1, 12, 0, 30);

test("the last three hours by minute, and how far each stage is behind, by records or by age", async () => {
  const asked: number[][] = [];
  const pulse: Pulse = {
    read: async (nowMs, minutes) => {
      asked.push([nowMs, minutes]);
      return {
        minutes: [{ atMs: NOW_MS - 30_000, received: 7, quarantined: 2 }],
        stages: [
          { stage: "score", lagRecords: 3 },
          { stage: "land", lagMs: 61_000 },
        ],
      };
    },
  };
  const { status, headers, body } = await ask(make({ ...memoryPorts({ nowMs: NOW_MS }), pulse }), "/v1/pipeline");
  assert.equal(status, 200);
  assert.deepEqual(body, {
    stages: [
      { stage: "score", lag_records: 3 },
      { stage: "land", lag_ms: 61_000 },
    ],
    minutes: [{ at: "2026-06-01T12:00:00.000Z", received: 7, quarantined: 2 }],
  });
  assert.deepEqual(asked, [[NOW_MS, 180]]);
  assert.equal(headers["cache-control"], "no-store", "it is of this moment");
});
