/**
 * Has DynamoDB make the export that tells of what came since an instant, and waits for it. An incremental export tells of
 * 15 minutes to 24 hours, and of no time that point-in-time recovery has forgotten (35 days).
 */
import {
  DescribeExportCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  ExportTableToPointInTimeCommand,
} from "@aws-sdk/client-dynamodb";
import { digest } from "@ebb/core/ids";
import { SourceProblem } from "../source-ports.ts";
import type { Clock } from "./unit-budget.ts";

export interface ExportRequestOptions {
  readonly source: string;
  readonly client: Pick<DynamoDBClient, "send">;
  readonly table: string;
  readonly bucket: string;
  readonly prefix: string;
  /** Its `now` is Unix time in milliseconds. */
  readonly clock: Clock;
}

const MINUTE_MS = 60_000;
const SHORTEST_MS = 15 * MINUTE_MS;
const LONGEST_MS = 24 * 60 * MINUTE_MS;
const REMEMBERED_MS = 34 * LONGEST_MS;
const POLL_MS = 15_000;
const PATIENCE_MS = 3 * 60 * MINUTE_MS;

/** One export after the other until less than 15 minutes are left. @throws SourceProblem */
export const exportRequester =
  (options: ExportRequestOptions) =>
  async (sinceMs: number | undefined): Promise<void> => {
    const { clock } = options;
    const nowMs = clock.now();
    // Behind what recovery remembers there is only a new beginning.
    if (sinceMs === undefined || nowMs - sinceMs > REMEMBERED_MS) return await makeExport(options, undefined);
    for (let fromMs = sinceMs; nowMs - fromMs >= SHORTEST_MS;) {
      const left = nowMs - fromMs;
      // What would be left behind a whole day has to be long enough for an export of its own.
      const toMs =
        left <= LONGEST_MS ? nowMs : fromMs + LONGEST_MS - (left - LONGEST_MS < SHORTEST_MS ? SHORTEST_MS : 0);
      await makeExport(options, { fromMs, toMs });
      fromMs = toMs;
    }
  };

const makeExport = async (
  { source, client, table, bucket, prefix, clock }: ExportRequestOptions,
  window: { readonly fromMs: number; readonly toMs: number } | undefined,
): Promise<void> => {
  const problem = (code: "unsupported" | "access" | "unreachable", text: string, cause?: unknown): SourceProblem =>
    new SourceProblem(code, source, text, { cause });
  const { Table } = await client.send(new DescribeTableCommand({ TableName: table }));
  const startedMs = clock.now();
  let arn: string | undefined;
  try {
    const { ExportDescription } = await client.send(
      new ExportTableToPointInTimeCommand({
        TableArn: Table?.TableArn,
        S3Bucket: bucket,
        ...(prefix === "" ? {} : { S3Prefix: prefix.replace(/\/$/, "") }),
        ExportFormat: "DYNAMODB_JSON",
        ...(window === undefined
          ? { ExportType: "FULL_EXPORT" as const }
          : {
              ExportType: "INCREMENTAL_EXPORT" as const,
              IncrementalExportSpecification: {
                ExportFromTime: new Date(window.fromMs),
                ExportToTime: new Date(window.toMs),
                ExportViewType: "NEW_AND_OLD_IMAGES" as const,
              },
            }),
        // Asked again within the hour after a stop, it is the same export.
        ClientToken: digest(
          table,
          bucket,
          prefix,
          window?.fromMs ?? "",
          window?.toMs ?? Math.floor(startedMs / 3_600_000),
        ),
      }),
    );
    arn = ExportDescription?.ExportArn;
  } catch (error) {
    if ((error as Error).name === "PointInTimeRecoveryUnavailableException")
      throw problem("unsupported", `the table ${table} has no point-in-time recovery, which an export needs.`, error);
    throw error;
  }
  while (clock.now() - startedMs < PATIENCE_MS) {
    const { ExportDescription } = await client.send(new DescribeExportCommand({ ExportArn: arn }));
    const { ExportStatus, FailureCode = "no reason" } = ExportDescription ?? {};
    if (ExportStatus === "COMPLETED") return;
    if (ExportStatus === "FAILED")
      throw problem(
        /Access|Bucket|KMS/i.test(FailureCode) ? "access" : "unreachable",
        `the export of the table ${table} failed (${FailureCode}).`,
      );
    await clock.sleep(POLL_MS);
  }
  throw problem("unreachable", `the export of the table ${table} did not end within three hours.`);
};
