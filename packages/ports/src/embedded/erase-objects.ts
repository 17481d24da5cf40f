/** How the object store of one machine forgets: originals of uploads, dead letters, and documents of batch runs. */
import path from "node:path";
import type { ReceiptId } from "@ebb/core/ids";
import { withoutErased } from "@ebb/core/erasure";
import type { Eraser, Subject } from "../erasure-ports.ts";
import { documentsEraser as eraserOfDocuments, type Rewritten, objectsEraser } from "../erase-documents.ts";
import { uploadsOf } from "./erase-lake.ts";
import { receiptsMentioning } from "./erase-log.ts";
import { PersonFinder } from "../person-finder.ts";
import { EmbeddedObjectStore } from "./object-store.ts";
import { EmbeddedUploadStore } from "./upload-store.ts";

const storeOf = (folder: string): EmbeddedObjectStore => new EmbeddedObjectStore(path.join(folder, "objects"));

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
  objectsEraser(storeOf(folder), "dead letters", ["failed/"], rewriteDeadLetter);

export const documentsEraser = (folder: string): Eraser =>
  eraserOfDocuments(storeOf(folder), ["models/", "reports/", "runs/", "imports/"]);
