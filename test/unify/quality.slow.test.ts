/** Three public files in one home: the report finds their known faults. Takes about half a minute. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import type { Finding, QualityReport } from "@ebb/core/quality";
import { monthlyTables } from "@ebb/lake/batch/monthly-tables";
import { unifiedTables } from "@ebb/lake/batch/unified-tables";
import { DuckDbJobRunner } from "@ebb/ports/embedded/job-runner";
import { homeWith } from "../model/upload-home.ts";
import { missing } from "../uploads/online-retail-file.ts";

const files = ["online_retail.csv.gz", "rees46_events.csv.gz", "airline_tweets.csv.gz"] as const;
const skip = files.map((file) => missing(file)).find((reason) => reason !== false) ?? false;
const ebb = path.resolve(import.meta.dirname, "../../packages/home/src/main.ts");

/** The tables that a run makes before its model. */
const makeTables = async (folder: string): Promise<void> => {
  const runner = await DuckDbJobRunner.open({
    folder: path.join(folder, "lake"),
    objectsFolder: path.join(folder, "objects"),
    now: Date.now,
  });
  const writes = [...monthlyTables, ...unifiedTables].map((table) => ({
    table,
    parameters: table.partitionedBy === "cutoff" ? { cutoff: "2026-02-01T00:00:00.000Z" } : {},
  }));
  const job = await runner.start({ name: "tables", writes }, "tables");
  for (;;) {
    const state = await runner.state(job);
    assert.notEqual(state.state, "failed", JSON.stringify(state));
    if (state.state === "succeeded") break;
    await delay(50);
  }
  await runner.close();
};

void describe("the quality report over Online Retail, REES46 and labelled tweets", { skip, concurrency: 1 }, () => {
  let folder: string;
  let told: QualityReport;
  let page: string;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "ebb-quality-"));
    for (const file of files) await (await homeWith(folder, file, "GBP")).close();
    await makeTables(folder);
    const html = path.join(folder, "quality.html");
    const { stdout } = await promisify(execFile)(process.execPath, [
      ...["--disable-warning=ExperimentalWarning", ebb, "quality", "--json", "--data", folder, "--html", html],
    ]);
    told = JSON.parse(stdout) as QualityReport;
    page = await readFile(html, "utf8");
  });
  after(() => rm(folder, { recursive: true }));

  const found = (code: Finding["code"], table: string, column?: string): Finding => {
    const finding = told.findings.find((one) => one.code === code && one.table === table && one.column === column);
    assert.ok(finding !== undefined, JSON.stringify(told.findings, undefined, 1));
    return finding;
  };

  it("finds the 135,080 rows without a customer", () => {
    assert.equal(found("missing", "order_lines", "customer_key").count, 135_080);
  });

  it("finds the two negative prices", () => {
    assert.equal(found("negative", "order_lines", "unit_price").count, 2);
  });

  it("finds the 5,268 rows that Online Retail repeats", () => {
    assert.equal(found("repeated", "order_lines").count, 5_268);
  });

  it("finds the 155 tweets whose id had come before, and the 119 of them that say something else", () => {
    assert.equal(found("duplicates", "airline_tweets.csv").count, 155);
    assert.equal(found("conflicting", "airline_tweets.csv").count, 119);
  });

  it("says all of it on the page", () => {
    for (const { sentence } of told.findings) assert.ok(page.includes(sentence), sentence);
    for (const { table } of told.tables) assert.ok(page.includes(`: ${table}</h2>`), table);
  });
});
