/**
 * Files of raw events that hold erased people, made anew by the Spark job as EMR Serverless starts it. What must be in them
 * afterwards is said by the eraser of one machine, which is another program on another engine, over copies of the files.
 */
import assert from "node:assert/strict";
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { STREAM_SCHEMA_VERSION } from "@ebb/core/kinds";
import type { StreamEvent } from "@ebb/core/stream-event";
import { rowsOf } from "@ebb/lake/testing";
import { ParquetEraser } from "@ebb/ports/embedded/erase-parquet";
import { setsOf, type Subject } from "@ebb/ports";
import type { AnonymousKey, CustomerKey } from "@ebb/core/ids";
import { type SparkJobs, startSparkJobs } from "./spark-job.ts";

const [ADA, BOB, EVE] = ["a", "b", "e"].map((each) => `cus_${each.repeat(32)}`) as [
  CustomerKey,
  CustomerKey,
  CustomerKey,
];
/** Ada's own browser, and one that she shared with Bob. */
const [OWN, SHARED] = ["1", "2"].map((each) => `ano_${each.repeat(32)}`) as [AnonymousKey, AnonymousKey];

let events = 0;
const event = (more: Partial<StreamEvent>): StreamEvent => ({
  event_id: `evt_${String(events).padStart(32, "0")}`,
  kind: "page",
  name: "Page Viewed",
  source: "shop",
  schema_version: STREAM_SCHEMA_VERSION,
  occurred_at: "2026-03-01T10:00:00.000Z",
  received_at: "2026-03-02T10:00:00.000Z",
  receipt_id: "rcp_1",
  receipt_number: events++,
  page_path: "/",
  ...more,
});
const order = (customer: CustomerKey): Partial<StreamEvent> => ({
  kind: "order_completed",
  name: "Order Completed",
  customer_key: customer,
  order_id: `o-${customer.slice(4, 6)}`,
  order_rank: 2,
  order_version: 1,
  reporting_currency: "EUR",
  reporting_minor: 1_234,
  lines: [{ quantity: 1, unit_price: 12.34, total_minor: 1_234, product_id: "tea" }],
});
const held = [
  event(order(ADA)),
  event(order(BOB)),
  event({ customer_key: ADA, anonymous_key: OWN }),
  event({ anonymous_key: OWN }),
  event({ anonymous_key: SHARED }),
  // Somebody else in Ada's browser stays, without the browser's key.
  event({ customer_key: BOB, anonymous_key: OWN }),
  event({ customer_key: BOB, anonymous_key: SHARED }),
  event({}),
];
const others = [event(order(EVE)), event({ customer_key: BOB })];
const subject: Subject = { customerKey: ADA, anonymousKeys: [OWN], sharedAnonymousKeys: [SHARED] };

for (const line of ["3.5", "4.1"] as const)
  describe(`raw events without erased people, on Spark ${line}`, { concurrency: 1 }, () => {
    let jobs: SparkJobs;
    let copies: string;
    before(async () => {
      jobs = await startSparkJobs(line);
      copies = mkdtempSync(path.join(tmpdir(), "ebb-erase-raw-"));
      await jobs.land(held, "2026-03-02");
      await jobs.land(others, "2026-03-03");
      cpSync(path.join(jobs.lakeFolder, "raw_events"), copies, { recursive: true });
    });
    after(async () => {
      await jobs.stop();
      rmSync(copies, { recursive: true, force: true });
    });

    const filesIn = (folder: string): string[] => globSync("**/*.parquet", { cwd: folder }).sort();
    const rows = async (file: string): Promise<string[]> =>
      (
        await rowsOf(
          jobs.oracle,
          `SELECT to_json(t)::VARCHAR AS row FROM read_parquet('${file}', hive_partitioning = false) AS t`,
        )
      )
        .map(({ row }) => String(row))
        .sort();
    const erase = async (token: string) => {
      const { erased, shared } = setsOf([subject]);
      const job = { name: "erase-raw", writes: [], eraseRaw: { keys: [...erased], shared: [...shared] } };
      const state = await jobs.finished(await jobs.runner.start(job, token));
      assert.equal(state.state, "succeeded", JSON.stringify(state));
      return state.state === "succeeded" ? state.written["raw_events"] : undefined;
    };

    it("every file has the rows that the eraser of one machine leaves, and no byte names the erased", async () => {
      const raw = path.join(jobs.lakeFolder, "raw_events");
      const names = filesIn(raw);
      assert.ok(names.length >= 2);
      const untouched = new Map(names.map((name) => [name, readFileSync(path.join(raw, name))]));
      const touched = new Set<string>();
      const expected = new Map<string, string[]>();
      const eraser = await ParquetEraser.open(path.join(copies, "scratch"), setsOf([subject]));
      const holding = await eraser.holding(names.map((name) => path.join(copies, name)));
      for (const name of names) {
        const file = path.join(copies, name);
        if (!holding.some((each) => each.file === file)) {
          expected.set(name, await rows(file));
          continue;
        }
        touched.add(name);
        expected.set(name, await rows((await eraser.withErasedEvents(file, 10_000))!.staged));
      }
      await eraser.close();
      assert.ok(touched.size > 0 && touched.size < names.length);

      assert.deepEqual(await erase("first"), { rows: 5, files: touched.size });
      assert.deepEqual(filesIn(raw), names);
      for (const name of names) {
        const file = path.join(raw, name);
        assert.deepEqual(await rows(file), expected.get(name), name);
        if (!touched.has(name)) assert.ok(readFileSync(file).equals(untouched.get(name)!), `${name} was written again`);
      }
      const left = globSync("**/*", { cwd: jobs.lakeFolder, withFileTypes: true })
        .filter((entry) => entry.isFile() && !entry.parentPath.includes("/jobs/"))
        .map((entry) => readFileSync(path.join(entry.parentPath, entry.name)).toString("latin1"))
        .join("\n");
      for (const key of [ADA, OWN]) assert.ok(!left.includes(key.slice(4)), `${key} is still in a file`);
    });

    it("again finds nothing more to do", async () => {
      assert.deepEqual(await erase("second"), { rows: 0, files: 0 });
    });
  });
