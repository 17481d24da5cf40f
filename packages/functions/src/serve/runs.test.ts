import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { EmbeddedRunStore } from "@ebb/ports/embedded/run-store";
import { send } from "../../../../test/support/http-event.ts";
import { READ_KEY, WRITE_KEY, memoryPorts } from "../../../../test/support/memory-ports.ts";
import { make } from "./runs.ts";

const AT_MS = Date.UTC(2026, 5, 1, 3);
let folder: string;
let runs: EmbeddedRunStore;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "ebb-runs-"));
  runs = new EmbeddedRunStore(folder);
  for (const runId of ["2026-06-01", "2026-06-02"])
    await runs.put({
      runId,
      asOf: runId,
      horizonDays: 90,
      state: "succeeded",
      startedBy: "schedule",
      startedAtMs: AT_MS,
      endedAtMs: AT_MS + 60_000,
      steps: [
        { name: "reconcile", state: "done", startedAtMs: AT_MS, endedAtMs: AT_MS + 1_000, figures: { drift: 0 } },
      ],
    });
});
after(async () => {
  runs.close();
  await rm(folder, { recursive: true });
});

const get = (id?: string, key = READ_KEY) =>
  send(make({ ...memoryPorts(), runs }), `/v1/runs${id === undefined ? "" : `/${id}`}`, "", {
    method: "GET",
    headers: { authorization: `Bearer ${key}` },
    ...(id === undefined ? {} : { pathParameters: { id } }),
  });

const expected = {
  run_id: "2026-06-01",
  as_of: "2026-06-01",
  horizon_days: 90,
  state: "succeeded",
  started_by: "schedule",
  started_at: "2026-06-01T03:00:00.000Z",
  ended_at: "2026-06-01T03:01:00.000Z",
  steps: [
    {
      name: "reconcile",
      state: "done",
      started_at: "2026-06-01T03:00:00.000Z",
      ended_at: "2026-06-01T03:00:01.000Z",
      figures: { drift: 0 },
    },
  ],
};

describe("GET /v1/runs", () => {
  it("tells a run with its steps and their figures", async () => {
    const { status, body } = await get("2026-06-01");
    assert.equal(status, 200);
    assert.deepEqual(body, expected);
  });

  it("lists them, the newest first", async () => {
    const { body } = await get();
    const { runs: listed } = body as unknown as { runs: { run_id: string }[] };
    assert.deepEqual(
      listed.map(({ run_id }) => run_id),
      ["2026-06-02", "2026-06-01"],
    );
  });

  it("answers 404 for a run that never was, and asks for a read key", async () => {
    assert.equal((await get("2019-01-01")).status, 404);
    assert.equal((await get(undefined, WRITE_KEY)).status, 403);
  });
});

describe("pages of GET /v1/runs", () => {
  const list = (query: Record<string, string>) =>
    send(make({ ...memoryPorts(), runs }), "/v1/runs", "", {
      method: "GET",
      query,
      headers: { authorization: `Bearer ${READ_KEY}` },
    });

  it("follow each other by the cursor and end", async () => {
    const first = await list({ limit: "1" });
    const second = await list({ limit: "1", cursor: String(first.body["cursor"]) });
    const ids = [first, second].flatMap(({ body }) => (body["runs"] as { run_id: string }[]).map((run) => run.run_id));
    assert.deepEqual(ids, ["2026-06-02", "2026-06-01"]);
    const { body } = await list({ limit: "1000" });
    assert.deepEqual([(body["runs"] as unknown[]).length, body["cursor"]], [2, undefined]);
  });

  it("of another list, or of a length that cannot be served, are the client's mistake", async () => {
    for (const query of [{ cursor: "nonsense" }, { limit: "0" }, { limit: "1001" }, { limit: "many" }]) {
      const { status, body } = await list(query);
      assert.deepEqual([status, body["type"]], [400, "urn:ebb:problem:invalid_parameter"], JSON.stringify(query));
      assert.equal(body["parameter"], Object.keys(query)[0]);
    }
  });
});
