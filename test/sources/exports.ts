/** Exports of a table in the shape of the Developer Guide ("DynamoDB table export output format"), put into a bucket. */
import { createHash, randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";

export type PutObject = (key: string, body: Buffer) => Promise<void>;

export interface ExportMade {
  readonly id: string;
  readonly files: readonly string[];
}

export interface Made {
  readonly table: string;
  readonly prefix: string;
  readonly toMs: number;
  /** Of incremental ones. */
  readonly fromMs?: number;
  readonly view?: string;
  readonly format?: string;
}

/** @param files lines of each data file, or its compressed bytes with the number of its items */
export const makeExport = async (
  put: PutObject,
  { table, prefix, toMs, fromMs, view = "NEW_AND_OLD_IMAGES", format = "DYNAMODB_JSON" }: Made,
  files: readonly (readonly object[] | { readonly bytes: Buffer; readonly items: number })[],
): Promise<ExportMade> => {
  const id = `${String(toMs).padStart(14, "0")}-${randomBytes(4).toString("hex")}`;
  const folder = `${prefix}AWSDynamoDB/${id}`;
  const keys: string[] = [];
  const manifest: string[] = [];
  let itemCount = 0;
  for (const [at, file] of files.entries()) {
    // Incremental exports share one folder of data.
    const key = `${fromMs === undefined ? folder : `${prefix}AWSDynamoDB`}/data/${id.slice(-8)}${at}.json.gz`;
    const bytes = "bytes" in file ? file.bytes : gzipSync(file.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const items = "bytes" in file ? file.items : file.length;
    await put(key, bytes);
    keys.push(key);
    itemCount += items;
    const md5Checksum = createHash("md5").update(bytes).digest("base64");
    manifest.push(JSON.stringify({ itemCount: items, md5Checksum, etag: `${md5Checksum}-1`, dataFileS3Key: key }));
  }
  await put(`${folder}/manifest-files.json`, Buffer.from(`${manifest.join("\n")}\n`));
  const iso = (ms: number): string => new Date(ms).toISOString();
  const summary = {
    version: fromMs === undefined ? "2020-06-30" : "2023-08-01",
    exportArn: `arn:aws:dynamodb:us-east-1:123456789012:table/${table}/export/${id}`,
    startTime: iso(toMs),
    endTime: iso(toMs + 300_000),
    tableArn: `arn:aws:dynamodb:us-east-1:123456789012:table/${table}`,
    tableId: "12345a12-abcd-123a-ab12-1234abc12345",
    ...(fromMs === undefined
      ? { exportTime: iso(toMs) }
      : { exportFromTime: iso(fromMs), exportToTime: iso(toMs), exportType: "INCREMENTAL_EXPORT", outputView: view }),
    s3Bucket: "exports",
    s3Prefix: prefix === "" ? null : prefix.slice(0, -1),
    s3SseAlgorithm: "AES256",
    s3SseKmsKeyId: null,
    manifestFilesS3Key: `${folder}/manifest-files.json`,
    billedSizeBytes: 0,
    itemCount,
    outputFormat: format,
  };
  await put(`${folder}/manifest-summary.json`, Buffer.from(JSON.stringify(summary)));
  return { id, files: keys };
};
