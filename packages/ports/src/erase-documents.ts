/** How objects forget: documents of batch runs, and whatever else can be written anew one object at a time. */
import type { Removal } from "@ebb/core/erasure";
import type { Eraser, Subject } from "./erasure-ports.ts";
import { PersonFinder } from "./person-finder.ts";
import type { ObjectStore } from "./ports.ts";

export type ErasedObjects = Pick<ObjectStore, "get" | "list" | "put" | "delete">;

/** An object as it is to be: changed, gone (`undefined`), or as it was (`false`). */
export type Rewritten = Buffer | undefined | false;

/** Objects under some prefixes, looked through one by one. */
export const objectsEraser = (
  objects: ErasedObjects,
  name: string,
  prefixes: readonly string[],
  rewrite: (key: string, content: Buffer, finder: PersonFinder) => Rewritten,
): Eraser => {
  const each = async (subjects: readonly Subject[], use: (key: string, made: Buffer | undefined) => Promise<void>) => {
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
      await each(subjects, (key, made) => (made === undefined ? objects.delete([key]) : objects.put(key, made)));
    },
  };
};

const contentOf = async (objects: ErasedObjects, key: string): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of await objects.get(key)) chunks.push(chunk);
  return Buffer.concat(chunks);
};

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
export const documentsEraser = (objects: ErasedObjects, prefixes: readonly string[]): Eraser =>
  objectsEraser(objects, "models and reports", prefixes, (key, content, finder) =>
    key.endsWith(".parquet") || key.endsWith(".onnx") ? false : rewriteDocument(key, content, finder),
  );
