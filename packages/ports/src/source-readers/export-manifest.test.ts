import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  DescribeExportCommand,
  ExportTableToPointInTimeCommand,
  type ExportTableToPointInTimeCommandInput,
} from "@aws-sdk/client-dynamodb";
import fc from "fast-check";
import { SourceProblem } from "../source-ports.ts";
import { exportRequester } from "./dynamo-request.ts";
import { type TableExport, chainFrom } from "./export-manifest.ts";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const one = (toMs: number, fromMs?: number): TableExport => ({
  id: `${fromMs ?? "full"}-${toMs}`,
  toMs,
  ...(fromMs === undefined ? {} : { fromMs }),
  format: "DYNAMODB_JSON",
  view: "NEW_AND_OLD_IMAGES",
  items: 0,
  filesKey: "",
  prefix: "",
});
const idsFrom = (exports: readonly TableExport[], sinceMs?: number): readonly string[] | undefined =>
  chainFrom(
    exports.toSorted((a, b) => a.toMs - b.toMs),
    sinceMs,
  )?.map(({ id }) => id);

describe("which exports are read", () => {
  it("the newest full one and what follows it without a gap; overlaps by the longest", () => {
    const exports = [one(10), one(20), one(15, 10), one(25, 18), one(30, 20), one(40, 30), one(60, 50)];
    assert.deepEqual(idsFrom(exports), ["full-20", "20-30", "30-40"]);
    assert.deepEqual(idsFrom(exports, 40), []);
    assert.deepEqual(idsFrom(exports, 22), ["20-30", "30-40"]);
    assert.deepEqual(idsFrom([]), []);
  });

  it("behind a gap only a newer full one goes on", () => {
    assert.equal(idsFrom([one(10), one(30)], 20), undefined);
    assert.deepEqual(idsFrom([one(10), one(40, 30)], 20), []);
  });

  it("a chain never leaves an instant out, and comes as far as any", () => {
    const time = fc.integer({ min: 0, max: 30 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(time, fc.integer({ min: 1, max: 10 })), { maxLength: 12 }),
        time,
        (windows, since) => {
          const exports = windows.map(([from, length]) => one(from + length, from)).toSorted((a, b) => a.toMs - b.toMs);
          const chain = chainFrom(exports, since)!;
          let at = since;
          for (const { fromMs, toMs } of chain) {
            assert.ok(fromMs! <= at && toMs > at);
            at = toMs;
          }
          // The slow and obvious way: instant by instant.
          let reached = since;
          while (exports.some(({ fromMs, toMs }) => fromMs! <= reached && toMs > reached)) reached++;
          assert.equal(at, reached);
        },
      ),
      { seed: 6, numRuns: 500 },
    );
  });
});

describe("exports that are asked for", () => {
  const asked = async (
    sinceMs: number | undefined,
    nowMs: number,
    status: object = { ExportStatus: "COMPLETED" },
  ): Promise<ExportTableToPointInTimeCommandInput[]> => {
    const inputs: ExportTableToPointInTimeCommandInput[] = [];
    let atMs = nowMs;
    const send = async (command: object): Promise<object> => {
      if (command instanceof ExportTableToPointInTimeCommand) {
        inputs.push(command.input);
        return { ExportDescription: { ExportArn: "arn" } };
      }
      return command instanceof DescribeExportCommand
        ? { ExportDescription: status }
        : { Table: { TableArn: "arn:table" } };
    };
    await exportRequester({
      source: "orders",
      client: { send: send as never },
      table: "shop-orders",
      bucket: "exports",
      prefix: "shop/",
      clock: { now: () => atMs, sleep: async (ms) => void (atMs += ms) },
    })(sinceMs);
    return inputs;
  };
  const windowsOf = (inputs: readonly ExportTableToPointInTimeCommandInput[]): (readonly [number, number])[] =>
    inputs.map(({ IncrementalExportSpecification: window }) => [
      window!.ExportFromTime!.getTime(),
      window!.ExportToTime!.getTime(),
    ]);

  it("first a full one, with the words of the API", async () => {
    const [input, ...more] = await asked(undefined, 40 * DAY);
    assert.equal(more.length, 0);
    assert.deepEqual(
      [input?.ExportType, input?.ExportFormat, input?.S3Bucket, input?.S3Prefix, input?.TableArn],
      ["FULL_EXPORT", "DYNAMODB_JSON", "exports", "shop", "arn:table"],
    );
    assert.equal((await asked(DAY, 40 * DAY))[0]?.ExportType, "FULL_EXPORT", "recovery has forgotten that time");
  });

  it("then windows of 15 minutes to 24 hours, side by side up to now", async () => {
    assert.deepEqual(await asked(DAY, DAY + 14 * MINUTE), []);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 15, max: 33 * 24 * 60 }), async (minutes) => {
        const nowMs = 40 * DAY;
        const windows = windowsOf(await asked(nowMs - minutes * MINUTE, nowMs));
        let at = nowMs - minutes * MINUTE;
        for (const [fromMs, toMs] of windows) {
          assert.equal(fromMs, at);
          assert.ok(toMs - fromMs >= 15 * MINUTE && toMs - fromMs <= DAY);
          at = toMs;
        }
        assert.equal(at, nowMs);
      }),
      { seed: 6, numRuns: 200 },
    );
  });

  it("one that fails, and one that does not end, say so", async () => {
    const failing = async (status: object, code: string): Promise<void> =>
      await assert.rejects(
        asked(undefined, DAY, status),
        (error: unknown) => error instanceof SourceProblem && error.code === code,
      );
    await failing({ ExportStatus: "FAILED", FailureCode: "S3AccessDenied" }, "access");
    await failing({ ExportStatus: "FAILED", FailureCode: "InternalServerError" }, "unreachable");
    await failing({ ExportStatus: "IN_PROGRESS" }, "unreachable");
  });
});
