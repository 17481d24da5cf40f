/** Small documents of JSON in the object store. */
import { buffer } from "node:stream/consumers";
import { ObjectNotFound, type ObjectStore } from "./ports.ts";

/**
 * `undefined` where there is no such object. A caller that gives the type vouches that only this program writes the object.
 * @throws SyntaxError for an object that is no JSON
 */
export const readJson = async <Document = unknown>(
  objects: Pick<ObjectStore, "get">,
  key: string,
): Promise<Document | undefined> => {
  try {
    return JSON.parse((await buffer(await objects.get(key))).toString("utf8")) as Document;
  } catch (error) {
    if (error instanceof ObjectNotFound) return undefined;
    throw error;
  }
};

/** Written again it is the same bytes. */
export const writeJson = (objects: Pick<ObjectStore, "put">, key: string, value: unknown): Promise<void> =>
  objects.put(key, Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`));
