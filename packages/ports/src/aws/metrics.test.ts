import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { promisify } from "node:util";

interface Line {
  readonly _aws: { readonly CloudWatchMetrics: readonly { Namespace: string; Dimensions: string[][] }[] };
  readonly [name: string]: unknown;
}

/** Powertools writes past the test's console, so the counts are made in a process of their own. */
const linesOf = async (script: string): Promise<Line[]> => {
  const source = `
    import { PowertoolsMetrics, awsMetrics } from ${JSON.stringify(import.meta.resolve("./metrics.ts"))};
    const metrics = new PowertoolsMetrics(awsMetrics("Ebb"));
    ${script}`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", source], {
    env: { PATH: process.env["PATH"] },
  });
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
};

describe("metrics", () => {
  it("write a count with dimensions at once, in CloudWatch's embedded format", async () => {
    const [line, ...more] = await linesOf(`metrics.count("EventsQuarantined", 3, { channel: "http" });`);
    assert.deepEqual(more, []);
    assert.deepEqual([line?.["EventsQuarantined"], line?.["channel"]], [3, "http"]);
    const [metric] = line!._aws.CloudWatchMetrics;
    assert.equal(metric?.Namespace, "Ebb");
    assert.deepEqual(
      metric.Dimensions.map((set) => set.toSorted()),
      [["channel", "service"]],
    );
  });

  it("hold counts without dimensions until the invocation's end, and lose none", async () => {
    const [line, ...more] = await linesOf(`
      metrics.count("OrderEventsRead", 2);
      metrics.count("OrderEventsRead", 5);
      metrics.count("CustomerWriteConflicts", 1);
      awsMetrics().publishStoredMetrics();`);
    assert.deepEqual(more, []);
    assert.deepEqual([line?.["OrderEventsRead"], line?.["CustomerWriteConflicts"]], [[2, 5], 1]);
  });
});
