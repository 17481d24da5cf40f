/**
 * Exports of DynamoDB tables in a bucket, as their manifests tell of them: "DynamoDB table export output format" of the
 * Developer Guide. A manifest is there once its export has ended.
 */
import type { SourceObjects } from "../source-ports.ts";

export interface TableExport {
  readonly id: string;
  /** Of incremental ones; inclusive. */
  readonly fromMs?: number;
  /** The instant whose state it holds, or up to which it tells; exclusive. */
  readonly toMs: number;
  readonly format: string;
  /** Of incremental ones. */
  readonly view: string;
  readonly items: number;
  readonly filesKey: string;
  readonly prefix: string;
}

export interface ExportFile {
  readonly key: string;
  readonly items: number;
  /** Of the compressed bytes, base64. */
  readonly md5: string;
}

export class DamagedExport extends Error {
  override readonly name = "DamagedExport";
}

interface Summary {
  readonly exportArn?: string;
  readonly tableArn?: string;
  readonly exportType?: string | null;
  readonly exportTime?: string | null;
  readonly exportFromTime?: string | null;
  readonly exportToTime?: string | null;
  readonly outputFormat?: string;
  readonly outputView?: string | null;
  readonly manifestFilesS3Key?: string;
  readonly itemCount?: number;
}

const SUMMARY = "/manifest-summary.json";
const slashed = (prefix: string): string => (prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`);

export const textOf = async (objects: SourceObjects, key: string): Promise<string> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of await objects.read(key)) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
};

/** Finished exports of a table, the oldest first. @throws DamagedExport */
export const exportsOf = async (
  objects: SourceObjects,
  under: string,
  table: string,
): Promise<readonly TableExport[]> => {
  const found: TableExport[] = [];
  const prefix = slashed(under);
  for await (const { key } of objects.list(`${prefix}AWSDynamoDB/`)) {
    if (!key.endsWith(SUMMARY)) continue;
    const one = exportOf(await textOf(objects, key), key, prefix, table);
    if (one !== undefined) found.push(one);
  }
  return found.toSorted((a, b) => a.toMs - b.toMs);
};

const exportOf = (text: string, key: string, prefix: string, table: string): TableExport | undefined => {
  let summary: Summary;
  try {
    summary = JSON.parse(text) as Summary;
  } catch (error) {
    throw new DamagedExport(`${key} is not JSON`, { cause: error });
  }
  if (summary.tableArn?.split(":table/")[1] !== table) return undefined;
  const isIncremental = summary.exportType === "INCREMENTAL_EXPORT";
  const toMs = Date.parse((isIncremental ? summary.exportToTime : summary.exportTime) ?? "");
  const fromMs = isIncremental ? Date.parse(summary.exportFromTime ?? "") : undefined;
  if (Number.isNaN(toMs) || Number.isNaN(fromMs) || summary.manifestFilesS3Key === undefined)
    throw new DamagedExport(`${key} does not say which time it tells of, or where its files are`);
  return {
    id: key.slice(0, -SUMMARY.length).split("/").at(-1)!,
    ...(fromMs === undefined ? {} : { fromMs }),
    toMs,
    format: summary.outputFormat ?? "",
    view: summary.outputView ?? "",
    items: summary.itemCount ?? 0,
    filesKey: summary.manifestFilesS3Key,
    prefix,
  };
};

/**
 * What is to be read, in order: incremental exports one behind the other from an instant on, without a gap. From none: the
 * newest full export and those that follow it.
 * @returns `undefined` where only a full export, newer than the instant, goes on
 */
export const chainFrom = (
  exports: readonly TableExport[],
  sinceMs: number | undefined,
): readonly TableExport[] | undefined => {
  const full = exports.findLast(({ fromMs }) => fromMs === undefined);
  const chain: TableExport[] = sinceMs === undefined ? (full === undefined ? [] : [full]) : [];
  for (let atMs = sinceMs ?? full?.toMs; atMs !== undefined;) {
    const at = atMs;
    const next = exports.findLast(({ fromMs, toMs }) => fromMs !== undefined && fromMs <= at && toMs > at);
    if (next === undefined) break;
    chain.push(next);
    atMs = next.toMs;
  }
  if (sinceMs !== undefined && chain.length === 0 && full !== undefined && full.toMs > sinceMs) return undefined;
  return chain;
};

/** The files of an export. @throws DamagedExport where they are not all there */
export const filesOf = async (objects: SourceObjects, one: TableExport): Promise<readonly ExportFile[]> => {
  const text = await textOf(objects, underPrefix(one, one.filesKey));
  const files = text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line): ExportFile => {
      const { dataFileS3Key, itemCount, md5Checksum } = JSON.parse(line) as Record<string, unknown>;
      if (typeof dataFileS3Key !== "string" || typeof itemCount !== "number" || typeof md5Checksum !== "string")
        throw new DamagedExport(`the export ${one.id} names a file without its checksum or its number of items`);
      return { key: underPrefix(one, dataFileS3Key), items: itemCount, md5: md5Checksum };
    });
  const items = files.reduce((sum, file) => sum + file.items, 0);
  if (items !== one.items) throw new DamagedExport(`the export ${one.id} has ${one.items} items, its files ${items}`);
  return files;
};

/** The guide's examples name keys without the prefix, the service with it. */
const underPrefix = ({ prefix }: TableExport, key: string): string => (key.startsWith(prefix) ? key : prefix + key);
