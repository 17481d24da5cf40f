/** Small documents of a run in the object store. Written again they are the same bytes. */
import { ObjectNotFound, type ObjectStore } from "@ebb/ports";

export const writeJson = (objects: Pick<ObjectStore, "put">, key: string, value: unknown): Promise<void> =>
  objects.put(key, Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`));

/** `undefined` where there is no such object. */
export const readJson = async (objects: Pick<ObjectStore, "get">, key: string): Promise<unknown> => {
  try {
    const chunks: Uint8Array[] = [];
    for await (const chunk of await objects.get(key)) chunks.push(chunk);
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (error) {
    if (error instanceof ObjectNotFound) return undefined;
    throw error;
  }
};
