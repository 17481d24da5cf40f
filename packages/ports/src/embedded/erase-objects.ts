/** How the object store of one machine forgets: originals of uploads, dead letters, and documents of batch runs. */
import path from "node:path";
import type { Removal } from "@ebb/core/erasure";
import type { ReceiptId } from "@ebb/core/ids";
import { withoutErased } from "@ebb/core/erasure";
import type { Eraser, Subject } from "../erasure-ports.ts";
import { uploadsOf } from "./erase-lake.ts";
import { receiptsMentioning } from "./erase-log.ts";
import { PersonFinder } from "../person-finder.ts";
import { EmbeddedObjectStore } from "./object-store.ts";
import { EmbeddedUploadStore } from "./upload-store.ts";

const storeOf = (folder: string): EmbeddedObjectStore => new EmbeddedObjectStore(path.join(folder, "objects"));

const contentOf = async (objects: EmbeddedObjectStore, key: string): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of await objects.get(key)) chunks.push(chunk);
  return Buffer.concat(chunks);
};

/**
 * The originals of uploads that brought the subjects. They are kept for seven days to work a file off again; one that is
 * done has no need of it. One that is under way takes nothing of the subjects in, and its original goes when it is done.
 */
export const originalsEraser = (folder: string): Eraser => {
  const found = async (subjects: readonly Subject[]): Promise<string[]> => {
    const objects = storeOf(folder);
    const uploads = new EmbeddedUploadStore(folder);
    try {
      const ids = new Set([
        ...(await uploadsOf(folder, subjects)),
        ...receiptsMentioning(folder, new PersonFinder(subjects)).filter((id) => id.startsWith("upl_")),
      ]);
      const keys: string[] = [];
      for (const id of ids) {
        const upload = await uploads.get(id as ReceiptId);
        if (upload === undefined || (upload.state !== "done" && upload.state !== "failed")) continue;
        if ((await objects.size(upload.objectKey)) !== undefined) keys.push(upload.objectKey);
      }
      return keys;
    } finally {
      uploads.close();
    }
  };
  return {
    name: "originals of uploads",
    survey: async (subjects) => {
      const keys = await found(subjects);
      return keys.length === 0 ? [] : [{ store: "originals of uploads", objects: keys.length, count: keys.length }];
    },
    erase: async (subjects) => storeOf(folder).delete(await found(subjects)),
  };
};

/** An object as it is to be: changed, gone (`undefined`), or as it was (`false`). */
type Rewritten = Buffer | undefined | false;

/** Objects under some prefixes, looked through one by one. */
const objectsEraser = (
  folder: string,
  name: string,
  prefixes: readonly string[],
  rewrite: (key: string, content: Buffer, finder: PersonFinder) => Rewritten,
): Eraser => {
  const each = async (subjects: readonly Subject[], use: (key: string, made: Buffer | undefined) => Promise<void>) => {
    const objects = storeOf(folder);
    const finder = new PersonFinder(subjects);
    for (const prefix of prefixes)
      for await (const key of objects.list(prefix)) {
        const made = rewrite(key, await contentOf(objects, key), finder);
        if (made !== false) await use(key, made);
      }
  };
  return {
    name,
    survey: async (subjects) => {
      let count = 0;
      await each(subjects, async () => void count++);
      return count === 0 ? [] : ([{ store: name, objects: count, count }] satisfies Removal[]);
    },
    erase: async (subjects) => {
      const objects = storeOf(folder);
      await each(subjects, (key, made) => (made === undefined ? objects.delete([key]) : objects.put(key, made)));
    },
  };
};

interface Invocation {
  readonly payload: string;
}
interface Payload {
  readonly Records: readonly { readonly kinesis: { readonly data: string } }[];
}

/** A dead letter is an invocation record whose payload holds stream records in base64. */
const rewriteDeadLetter = (_key: string, content: Buffer, finder: PersonFinder): Rewritten => {
  const letter = JSON.parse(content.toString("utf8")) as Invocation;
  const payload = JSON.parse(letter.payload) as Payload;
  let changed = false;
  const records = payload.Records.map((record) => {
    const before = Buffer.from(record.kinesis.data, "base64").toString("utf8");
    const after = before
      .split("\n")
      .map((line) => withoutErased(line, finder.isErased, finder.isShared))
      .join("\n");
    changed ||= after !== before;
    return { ...record, kinesis: { ...record.kinesis, data: Buffer.from(after).toString("base64") } };
  });
  if (!changed) return false;
  return Buffer.from(JSON.stringify({ ...letter, payload: JSON.stringify({ ...payload, Records: records }) }));
};

export const deadLettersEraser = (folder: string): Eraser =>
  objectsEraser(folder, "dead letters", ["failed/"], rewriteDeadLetter);

/** Documents that hold somebody: elements of JSON and lines of JSON Lines go, elsewhere the name is written over. */
const rewriteDocument = (key: string, content: Buffer, finder: PersonFinder): Rewritten => {
  const text = content.toString("latin1");
  if (!finder.names(text)) return false;
  const whole = content.toString("utf8");
  const lines = whole.split("\n").filter((line) => line !== "");
  if (key.endsWith(".html")) return Buffer.from(finder.withoutNames(whole));
  if (lines.every(isJson)) {
    const kept = lines.filter((line) => !finder.names(line));
    return kept.length === 0 ? undefined : Buffer.from(kept.join("\n"));
  }
  if (!isJson(whole)) return Buffer.from(finder.withoutNames(whole));
  return Buffer.from(`${JSON.stringify(finder.withoutElements(JSON.parse(whole)), undefined, 2)}\n`);
};

const isJson = (text: string): boolean => {
  try {
    return typeof JSON.parse(text) === "object";
  } catch {
    return false;
  }
};

/** Models with their samples, reports, and what runs computed for their jobs. */
export const documentsEraser = (folder: string): Eraser =>
  objectsEraser(folder, "models and reports", ["models/", "reports/", "runs/", "imports/"], (key, content, finder) =>
    key.endsWith(".parquet") || key.endsWith(".onnx") ? false : rewriteDocument(key, content, finder),
  );
