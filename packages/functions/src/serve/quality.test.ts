import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { LoadEnd } from "@ebb/ports/source-ports";
import { qualityProfiles, qualityReferences } from "@ebb/lake/batch/quality-profiles";
import { type MartLake, ask, filled, martLake } from "../../../../test/support/mart-lake.ts";
import { make } from "./quality.ts";

const AS_OF = "2026-06-01";
const row = (column: string, fields: object) => ({
  ...{ source: "till <b>", table_name: "orders", column_name: column, month: "2026-05", rows_told: 200, missing: 0 },
  ...{ distinct_values: 200, negative: 0, outliers: 0, repeated: 0 },
  ...{ first_at: "2026-05-01 00:00:00", last_at: "2026-05-31 12:00:00.5", received_at: "2026-06-01 00:00:00" },
  ...fields,
});

let lake: MartLake;
before(async () => {
  lake = await martLake(AS_OF, [
    filled(qualityProfiles, [
      row("*", { repeated: 4, distinct_values: 196 }),
      row("customer_key", { missing: 50, distinct_values: 90 }),
      row("total_minor", { minimum: -5, maximum: 900, mean: 20.25, sd: 3 }),
    ]),
    filled(qualityReferences, [{ source: "till <b>", reference: "refunds to orders", values_named: 4, gaps: 3 }]),
  ]);
});
after(() => lake.close());

test("the report tells every table and column, and what somebody should look at", async () => {
  const { body } = await ask(make(lake.ports), "/v1/quality");
  const { findings, tables, run_id } = body as unknown as {
    run_id: string;
    findings: { code: string; count: number; severity: string }[];
    tables: { rows: number; last_at: string; columns: { column: string; mean?: number }[] }[];
  };
  assert.equal(run_id, AS_OF);
  assert.deepEqual(
    findings.map(({ code, count, severity }) => [code, count, severity]),
    [
      ["repeated", 4, "warn"],
      ["missing", 50, "warn"],
      ["gaps", 3, "warn"],
    ],
  );
  assert.deepEqual([tables.length, tables[0]!.rows, tables[0]!.last_at], [1, 200, "2026-05-31T12:00:00.500Z"]);
  assert.deepEqual(
    tables[0]!.columns.map(({ column, mean }) => [column, mean]),
    [
      ["customer_key", undefined],
      ["total_minor", 20.25],
    ],
  );
});

test("a limit that is set is told with what it finds, in JSON and on the page", async () => {
  const quality = [
    { measure: "missing", source: "till <b>", column: "customer_key", warn: 0.3 },
    { measure: "gaps", stop: 0.5 },
  ] as const;
  const ports = { ...lake.ports, settings: { ...lake.ports.settings, quality } };
  const { body } = await ask(make(ports), "/v1/quality");
  const { findings, limits } = body as unknown as { findings: object[]; limits: object[] };
  assert.deepEqual(limits, quality);
  assert.deepEqual(
    findings.map((one) => [one["code" as never], one["severity" as never], one["stops" as never]]),
    [
      ["gaps", "stop", "run"],
      ["repeated", "warn", undefined],
    ],
  );
  const page = await ask(make(ports), "/v1/quality", { format: "html" });
  assert.ok(page.text.includes("Stops a run: till &lt;b&gt;, refunds to orders"));
  assert.ok(page.text.includes("missing of till &lt;b&gt;, customer_key: warns from 0.3."));
});

test("as a page it runs nothing, and what comes from outside is text", async () => {
  const answer = await ask(make(lake.ports), "/v1/quality", { format: "html" });
  assert.match(String(answer.headers["content-type"]), /^text\/html/);
  assert.match(String(answer.headers["content-security-policy"]), /default-src 'none'/);
  assert.ok(answer.text.includes("till &lt;b&gt;: orders") && !answer.text.includes("<b>"));
});

test("a load that has ended since is told at once, and an answer that is kept is known by the loads as they are", async () => {
  const endOf = (endedAtMs: number, missing: number): LoadEnd => ({
    ...{ loadId: `load_${endedAtMs}`, startedAtMs: endedAtMs - 1, endedAtMs, attempts: 1, outcome: "loaded" },
    counts: { read: 100, events: 0, quarantined: 0, nulled: {} },
    tables: [
      {
        ...{ name: "source_crm", rows: 100, inserted: 0, updated: 100, deleted: 0, unchanged: 0 },
        columns: [{ name: "tier", missing }],
      },
    ],
  });
  const ends = [endOf(1_000, 0.1)];
  const handler = make({ ...lake.ports, sourceLoads: async () => [{ name: "crm", ends: [...ends] }] });
  const drift = (body: object): (string | undefined)[] =>
    (body as { findings: { code: string; source?: string }[] }).findings
      .filter(({ code }) => code === "drift")
      .map(({ source }) => source);
  const first = await ask(handler, "/v1/quality");
  assert.deepEqual(drift(first.body), []);
  const known = { headers: { "if-none-match": String(first.headers["etag"]) } };
  assert.equal((await ask(handler, "/v1/quality", {}, known)).status, 304);

  ends.unshift(endOf(2_000, 0.6));
  const second = await ask(handler, "/v1/quality", {}, known);
  assert.deepEqual([second.status, drift(second.body)], [200, ["crm"]]);
  assert.notEqual(second.headers["etag"], first.headers["etag"]);
  assert.equal(
    (await ask(handler, "/v1/quality", {}, { headers: { "if-none-match": String(second.headers["etag"]) } })).status,
    304,
  );

  // What another process answers with other limits is another answer.
  const quality = [{ measure: "drift_missing", source: "crm", warn: 0.9 }] as const;
  const strict = make({
    ...lake.ports,
    settings: { ...lake.ports.settings, quality },
    sourceLoads: async () => [{ name: "crm", ends }],
  });
  const third = await ask(strict, "/v1/quality", {}, { headers: { "if-none-match": String(second.headers["etag"]) } });
  assert.deepEqual([third.status, drift(third.body)], [200, []]);

  // Before the first run nobody has looked at what was sent, but loads there are.
  const none = { ...lake.ports.runs, list: async () => ({ runs: [] }) };
  const unread = await ask(
    make({ ...lake.ports, runs: none as never, sourceLoads: async () => [{ name: "crm", ends }] }),
    "/v1/quality",
  );
  assert.deepEqual(drift(unread.body), ["crm"]);
});
