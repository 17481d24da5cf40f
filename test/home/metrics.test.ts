/** `/metrics` of a home at work, read by a parser of its own after Prometheus' description of the text format 0.0.4. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { metricNames } from "@ebb/ports/metric-names";
import { startHome } from "@ebb/home/home";
import { orderEvent, postBatch } from "../trust/load.ts";

interface Family {
  readonly help: string;
  readonly type: string;
  /** Value by labels as they stand. */
  readonly samples: Map<string, number>;
}

/** @throws AssertionError on any line that is not of the format, a family told twice, or a sample told twice */
const parse = (text: string): Map<string, Family> => {
  const families = new Map<string, Family>();
  assert.ok(text.endsWith("\n"));
  const lines = text.slice(0, -1).split("\n");
  for (let at = 0; at < lines.length;) {
    const [, name = "", help = ""] =
      /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(lines[at++]!) ?? assert.fail(lines[at - 1]);
    const [, typed, type = ""] = /^# TYPE (\S+) (counter|gauge)$/.exec(lines[at++] ?? "") ?? assert.fail(lines[at - 1]);
    assert.equal(typed, name);
    assert.ok(!families.has(name), `${name} is told twice`);
    const samples = new Map<string, number>();
    for (; at < lines.length && !lines[at]!.startsWith("#"); at++) {
      const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)+\})? (\S+)$/.exec(
        lines[at]!,
      );
      assert.ok(sample !== null && sample[1] === name, lines[at]);
      assert.ok(!samples.has(sample[2] ?? "") && Number.isFinite(Number(sample[3])), lines[at]);
      samples.set(sample[2] ?? "", Number(sample[3]));
    }
    families.set(name, { help, type, samples });
  }
  return families;
};

test("/metrics tells what was counted, how far the stages are and what the home costs; no counter falls", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "ebb-metrics-"));
  const home = await startHome({ folder });
  try {
    const scrape = async (): Promise<Map<string, Family>> => {
      const response = await fetch(`${home.url}/metrics`, { headers: { authorization: `Bearer ${home.readKey}` } });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
      return parse(await response.text());
    };
    const bad = { type: "track", event: "Order Completed", messageId: "bad", userId: "c0" };
    assert.equal((await postBatch(home, [orderEvent("a", "ann", 100), orderEvent("b", "bob", 200), bad])).status, 200);
    await home.settled();
    const first = await scrape();
    const value = (from: Map<string, Family>, name: string, labels = "") => from.get(name)?.samples.get(labels);
    assert.equal(value(first, "ebb_events_received_total", '{channel="http"}'), 3);
    assert.equal(value(first, "ebb_events_quarantined_total", '{channel="http"}'), 1);
    assert.deepEqual([...first.get("ebb_quarantine_items")!.samples.values()], [1]);
    assert.equal(value(first, "ebb_log_events_total"), 2);
    assert.equal(value(first, "ebb_stage_lag_records", '{stage="score"}'), 0);
    assert.equal(value(first, "ebb_stage_lag_seconds", '{stage="score"}'), 0);
    assert.ok(value(first, "ebb_stage_lag_records", '{stage="land"}')! >= 0);
    for (const name of ["process_resident_memory_bytes", "process_cpu_seconds_total", "ebb_disk_free_bytes"])
      assert.ok(value(first, name)! > 0, name);
    for (const metric of Object.keys(metricNames))
      assert.equal(first.get(`ebb${metric.replace(/[A-Z]/g, "_$&").toLowerCase()}_total`)?.type, "counter", metric);

    assert.equal((await postBatch(home, [orderEvent("c", "ann", 300), orderEvent("a", "ann", 100)])).status, 200);
    await home.settled();
    const second = await scrape();
    assert.equal(value(second, "ebb_events_received_total", '{channel="http"}'), 5);
    assert.equal(value(second, "ebb_log_events_total"), 3);
    for (const [name, { type, samples }] of first)
      if (type === "counter")
        for (const [labels, before] of samples) assert.ok(value(second, name, labels)! >= before, `${name}${labels}`);

    // What the process of a run counts reaches the home: three customers are too few for a churn model.
    const runId = await home.beginRun({ asOf: "2026-06-01", startedBy: "command" });
    assert.equal((await home.runEnded(runId))?.state, "succeeded");
    const third = await scrape();
    assert.equal(value(third, "ebb_runs_without_model_total"), 1);
    assert.equal(value(third, "ebb_run_failed"), 0);
    assert.ok(value(third, "ebb_run_age_seconds")! >= 0);

    const statusWith = async (key: string) =>
      (await fetch(`${home.url}/metrics`, { headers: { "x-write-key": key } })).status;
    assert.deepEqual(await Promise.all([home.writeKey, "unknown"].map(statusWith)), [403, 401]);
  } finally {
    await home.close();
    await rm(folder, { recursive: true });
  }
});
