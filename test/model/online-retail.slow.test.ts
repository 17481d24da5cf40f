/** Runs of a home that has UCI's Online Retail in it: what they find, and that the stream and the batch agree. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Home } from "@ebb/home/home";
import type { Run } from "@ebb/ports";
import { DuckDbQueryEngine } from "@ebb/ports/embedded/query-engine";
import { missing } from "../uploads/online-retail-file.ts";
import { homeWith } from "./upload-home.ts";

const AS_OF = "2011-12-10";

describe("runs over Online Retail", { skip: missing("online_retail.csv.gz") }, () => {
  let folder: string;
  let home: Home;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "ebb-runs-"));
    home = await homeWith(folder, "online_retail.csv.gz", "GBP");
  });
  after(async () => {
    await home?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const runAsOf = async (asOf: string): Promise<Run> => {
    const run = await home.runEnded(await home.beginRun({ asOf, startedBy: "command" }));
    assert.ok(run !== undefined);
    return run;
  };
  const figuresOf = (run: Run, step: string) => run.steps.find(({ name }) => name === step)?.figures ?? {};
  const customers = (change: string): void => {
    const db = new DatabaseSync(path.join(folder, "customers.db"), { timeout: 10_000 });
    db.exec(change);
    db.close();
  };
  const get = async (address: string): Promise<Record<string, unknown>> => {
    const response = await fetch(home.url + address, { headers: { authorization: `Bearer ${home.readKey}` } });
    assert.equal(response.status, 200, address);
    return (await response.json()) as Record<string, unknown>;
  };

  test("drift is 0 for all 4,372 customers; the model beats its baselines; the answers have its scores", async (context) => {
    const run = await runAsOf(AS_OF);
    assert.equal(run.state, "succeeded", run.reason);
    assert.deepEqual(figuresOf(run, "reconcile"), { customers: 4_372, drift: 0, "settled when looked at again": 0 });
    const fit = figuresOf(run, "fit");
    context.diagnostic(JSON.stringify(fit));
    for (const name of ["Recency only", "RFM only"])
      assert.ok(Number(fit["AUC"]) > Number(fit[`AUC of ${name}`]), name);
    assert.ok(
      (await readFile(path.join(folder, "objects", String(figuresOf(run, "report")["report"])), "utf8")).includes(
        "</html>",
      ),
    );

    const { churn, segment, ...rest } = (await get("/v1/customers/14646")) as {
      churn: { probability: number; decile: number; drivers: { text: string }[]; run_id: string };
      segment: string;
    };
    assert.ok(churn.probability > 0 && churn.probability < 0.3, "the best customer is not the one who leaves");
    assert.deepEqual([churn.run_id, churn.drivers.length, segment], [AS_OF, 3, "Champions"]);
    // BG/NBD is not determined on this data (b runs away): no value is better than one that means nothing.
    assert.equal(figuresOf(run, "value")["BG/NBD"], "not determined");
    assert.ok(!("value" in rest));
    const told = (await get(`/v1/runs/${AS_OF}`)) as { state: string; steps: unknown[] };
    assert.deepEqual([told.state, told.steps.length], ["succeeded", run.steps.length]);
  });

  test("a run of the same day finds the same", async () => {
    const tables = ["churn_scores", "customer_segments", "sales_daily", "customer_features"];
    const sums = async (): Promise<string[]> => {
      const engine = await DuckDbQueryEngine.open({ folder: path.join(folder, "lake"), memoryMb: 1_024 });
      try {
        const found: string[] = [];
        for (const table of tables) {
          const columns = table === "churn_scores" ? "* EXCLUDE (model_id)" : "*";
          const { rows } = await engine.query(
            `SELECT CAST(count(*) AS VARCHAR), CAST(sum(CAST(hash(t) AS HUGEINT)) AS VARCHAR) FROM (SELECT ${columns} FROM ${table}) AS t`,
          );
          found.push(JSON.stringify(rows[0]));
        }
        return found;
      } finally {
        engine.close();
      }
    };
    const first = await sums();
    const again = await runAsOf(AS_OF);
    assert.deepEqual([again.runId, again.state], [`${AS_OF}-2`, "succeeded"]);
    assert.deepEqual(await sums(), first);
  });

  test("a falsified customer is found and named; orders that arrive during the run are no drift", async () => {
    const key = String((await get("/v1/customers/14646"))["customer_key"]);
    customers(`UPDATE customers SET gross_minor = gross_minor + 1 WHERE key = '${key}'`);
    let running = true;
    const sender = (async () => {
      for (let order = 0; running; order++) {
        const batch = Array.from({ length: 20 }, (_, n) => ({
          type: "track",
          event: "Order Completed",
          messageId: `late-${order}-${n}`,
          userId: String(12_347 + ((order * 20 + n) % 900)),
          properties: { order_id: `late-${order}-${n}`, total: 10, currency: "GBP" },
        }));
        const response = await fetch(`${home.url}/v1/batch`, {
          method: "POST",
          headers: { "content-type": "application/json", "x-write-key": home.writeKey },
          body: JSON.stringify({ batch }),
        });
        assert.ok(response.ok);
        await delay(100);
      }
    })();
    const run = await runAsOf(AS_OF);
    running = false;
    await sender;
    assert.equal(run.state, "succeeded", run.reason);
    const { drift, differing, ...rest } = figuresOf(run, "reconcile");
    assert.deepEqual([drift, differing], [1, key], JSON.stringify(rest));
    assert.ok(Number(rest["settled when looked at again"]) > 0, "orders arrived while it compared");
    customers(`UPDATE customers SET gross_minor = gross_minor - 1 WHERE key = '${key}'`);
  });

  test("one run at a time", async () => {
    const first = await home.beginRun({ asOf: AS_OF, startedBy: "command" });
    await assert.rejects(home.beginRun({ asOf: "2011-11-01", startedBy: "command" }), /One runs at a time/);
    assert.equal((await home.runEnded(first))?.state, "succeeded");
  });

  test("seen from a year later the source went silent: no churn model, and segments and marts all the same", async () => {
    const { runId, state, reason, steps } = await runAsOf("2012-12-10");
    assert.deepEqual([runId, state], ["2012-12-10", "succeeded"]);
    assert.match(reason!, /^No churn model: The source shop went silent: its last order is of 2011-12-09/);
    const names = steps.map(({ name }) => name);
    assert.ok(names.includes("segments") && names.includes("marts") && !names.includes("fit"));
    assert.ok(!("churn" in (await get("/v1/customers/14646"))));
  });
});
