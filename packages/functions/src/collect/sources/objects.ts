/**
 * Objects that others lay down under a prefix, each once: its content becomes an upload, whose id is made of the object's
 * key and version, so that the uploads themselves remember what was taken. Safe to run again after a stop at any instant.
 */
import { setTimeout as delay } from "node:timers/promises";
import { digest } from "@ebb/core/ids";
import type { ReceiptId } from "@ebb/core/ids";
import type { Ports, Upload } from "@ebb/ports";
import type { LoadEnd, SourceObject, SourceObjects, SourceStore } from "@ebb/ports/source-ports";
import { ParquetUnreadable, SourceProblem } from "@ebb/ports/source-ports";
import { originalKeyOf } from "../files/originals.ts";
import type { ObjectsSource } from "../sources.ts";
import { LoadLease } from "./lease.ts";

export interface ObjectsPorts extends Pick<Ports, "now" | "uploads" | "objects" | "jobs" | "metrics"> {
  readonly sources: SourceStore;
  /** Rows of a Parquet file as CSV. @throws ParquetUnreadable */
  readonly parquetAsCsv: (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;
}

export interface ObjectsContext {
  readonly owner: string;
  readonly remainingMs: () => number;
  /** Rows that uploads of this load have read. */
  readonly onProgress?: (rows: number) => void;
}

export type ObjectState = "young" | "new" | "under_way" | "taken" | "failed";
export interface SeenObject {
  readonly object: SourceObject;
  readonly uploadId: ReceiptId;
  readonly state: ObjectState;
  readonly upload?: Upload | undefined;
}

type Looking = Pick<ObjectsPorts, "now" | "uploads">;

const LOOK_MS = 100;
/** An upload of which nothing is heard for so long is left to the home: it is looked at again by the next load. */
const PATIENCE_MS = 600_000;
const SHOWN_FAILURES = 20;
/** Markers, and what is being written, by the convention of Hadoop: a segment that begins with _ or a dot. */
const HIDDEN = /(?:^|\/)[._][^/]*(?:\/|$)|\/$/;

/** What lies under the prefix and what became of it. */
export async function* seenObjects(
  ports: Looking,
  spec: ObjectsSource,
  from: SourceObjects,
): AsyncIterable<SeenObject> {
  const oldest = ports.now() - spec.settle * 1_000;
  for await (const object of from.list(spec.prefix)) {
    if (HIDDEN.test(object.key.slice(spec.prefix.lastIndexOf("/") + 1))) continue;
    const uploadId = `upl_${digest(spec.name, object.key, object.version)}` as ReceiptId;
    const upload = await ports.uploads.get(uploadId);
    const state =
      upload === undefined
        ? object.modifiedAtMs > oldest
          ? ("young" as const)
          : ("new" as const)
        : upload.state === "done"
          ? ("taken" as const)
          : upload.state === "failed"
            ? ("failed" as const)
            : ("under_way" as const);
    yield { object, uploadId, state, upload };
  }
}

/**
 * Takes what is new, one object after the other. A broken one is told of and holds nothing up. `undefined` when time ran
 * out: the next call goes on.
 * @throws SourceProblem, TransientError, SourceBusy
 */
export const loadObjects = async (
  ports: ObjectsPorts,
  spec: ObjectsSource,
  from: SourceObjects,
  context: ObjectsContext,
): Promise<LoadEnd | undefined> => {
  const lease = await LoadLease.take(ports, spec.name, context.owner);
  const startedAtMs = ports.now();
  const taken = new Taken();
  try {
    for await (const seen of seenObjects(ports, spec, from)) {
      if (context.remainingMs() <= 0) return undefined;
      await lease.keep();
      if (seen.state === "young") taken.young++;
      else if (seen.state === "taken" || seen.state === "failed") taken.before++;
      else {
        const upload = seen.upload ?? (await begin(ports, spec, from, seen));
        if (upload === undefined) {
          taken.young++;
          continue;
        }
        const keepUp = async (rows: number): Promise<void> => {
          await lease.keep();
          context.onProgress?.(taken.read + rows);
        };
        const end = await ended(ports, upload, context, keepUp);
        if (end === undefined && context.remainingMs() <= 0) return undefined;
        taken.add(seen.object.key, end);
        ports.metrics.count("SourceRowsRead", end?.ledger?.received ?? 0, { source: spec.name });
      }
    }
    return await finish(ports, spec, startedAtMs, taken);
  } catch (error) {
    ports.metrics.count("SourceLoadsFailed", 1, { source: spec.name });
    if (error instanceof SourceProblem && !error.mayRetry)
      await ports.sources.ended(spec.name, {
        ...taken.end(startedAtMs, ports.now()),
        outcome: "failed",
        problem: { code: error.code, message: error.message },
      });
    throw error;
  } finally {
    await lease.release();
  }
};

/** The content is durable before the upload is known: `undefined` where another content came meanwhile. */
const begin = async (
  ports: ObjectsPorts,
  spec: ObjectsSource,
  from: SourceObjects,
  { object, uploadId }: SeenObject,
): Promise<Upload | undefined> => {
  const now = ports.now();
  const upload: Upload = {
    uploadId,
    state: "queued",
    source: spec.source,
    filename: object.key
      .split("/")
      .at(-1)!
      .replace(/[\p{C}]/gu, "")
      .slice(0, 255),
    objectKey: originalKeyOf(uploadId, now),
    options: spec.options,
    createdAtMs: now,
    updatedAtMs: now,
  };
  const isParquet = /\.parquet$/i.test(object.key);
  let bytes = 0;
  const counted = async function* (): AsyncIterable<Uint8Array> {
    for await (const chunk of await from.read(object.key)) {
      bytes += chunk.length;
      yield chunk;
    }
  };
  try {
    await ports.objects.put(upload.objectKey, isParquet ? ports.parquetAsCsv(counted()) : counted());
  } catch (error) {
    if (error instanceof ParquetUnreadable) return await refused(ports, upload, error.message);
    throw error;
  }
  if (bytes !== object.bytes) {
    await ports.objects.delete([upload.objectKey]);
    return undefined;
  }
  await ports.uploads.put(upload);
  await ports.jobs.processUpload(uploadId);
  return upload;
};

const refused = async (ports: ObjectsPorts, upload: Upload, message: string): Promise<Upload> => {
  const failed: Upload = { ...upload, state: "failed", problem: { code: "unreadable_file", message } };
  await ports.uploads.put(failed);
  ports.metrics.count("UploadsFailed", 1);
  return failed;
};

/** The upload when it came to its end; `undefined` when time ran out or nothing was heard of it for long. */
const ended = async (
  { uploads, jobs }: ObjectsPorts,
  { uploadId }: Upload,
  context: ObjectsContext,
  progress: (rows: number) => Promise<void>,
): Promise<Upload | undefined> => {
  let heard = "";
  let atMs = performance.now();
  let asked = false;
  for (;;) {
    const upload = await uploads.get(uploadId);
    if (upload?.state === "done" || upload?.state === "failed") return upload;
    if (context.remainingMs() <= 0) return undefined;
    const now = `${upload?.updatedAtMs} ${upload?.progress?.rowsRead}`;
    await progress(upload?.progress?.rowsRead ?? 0);
    if (now !== heard) {
      heard = now;
      atMs = performance.now();
    } else if (performance.now() - atMs > PATIENCE_MS) return undefined;
    else if (!asked && upload?.state === "queued" && performance.now() - atMs > 10 * LOOK_MS) {
      // A load that was killed may have stored the upload and asked nobody for it.
      asked = true;
      await jobs.processUpload(uploadId);
    }
    await delay(LOOK_MS);
  }
};

class Taken {
  /** Too young, or changed while it was read. */
  young = 0;
  /** Taken or failed by a load before. */
  before = 0;
  read = 0;
  #taken = 0;
  #events = 0;
  #quarantined = 0;
  #unfinished = 0;
  #failed = 0;
  readonly #failures: { readonly key: string; readonly message: string }[] = [];

  add(key: string, upload: Upload | undefined): void {
    if (upload === undefined) this.#unfinished++;
    else if (upload.state === "failed") {
      this.#failed++;
      if (this.#failures.length < SHOWN_FAILURES)
        this.#failures.push({ key, message: upload.problem?.message ?? "no reason was given" });
    } else {
      this.#taken++;
      this.read += upload.ledger?.received ?? 0;
      this.#events += upload.ledger?.accepted ?? 0;
      this.#quarantined += upload.ledger?.quarantined ?? 0;
    }
  }

  end(startedAtMs: number, endedAtMs: number): LoadEnd {
    return {
      loadId: "",
      startedAtMs,
      endedAtMs,
      attempts: 1,
      outcome: "loaded",
      counts: { read: this.read, events: this.#events, quarantined: this.#quarantined, nulled: {} },
      objects: {
        taken: this.#taken,
        before: this.before,
        young: this.young,
        unfinished: this.#unfinished,
        failed: this.#failed,
        failures: this.#failures,
      },
    };
  }
}

const finish = async (
  { sources, metrics, now }: ObjectsPorts,
  { name }: ObjectsSource,
  startedAtMs: number,
  taken: Taken,
): Promise<LoadEnd> => {
  const end = taken.end(startedAtMs, now());
  const state = (await sources.get(name)) ?? { name, generation: 0 };
  await sources.put({ ...state, generation: state.generation + 1, loadedAtMs: end.endedAtMs });
  await sources.ended(name, end);
  metrics.count("SourceLoadsDone", 1, { source: name });
  return end;
};
