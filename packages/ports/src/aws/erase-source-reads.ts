/**
 * How reads under way forget: rows of a person in what Spark has read for a load, which still name people as their database
 * does. A row's place stays, empty, for a load goes on by the number of a line. Whose producer's id nobody knows is not found
 * here: the load itself leaves out everybody on the list of suppressions, and removes what was read when it ends.
 */
import { Readable, pipeline } from "node:stream";
import { createGzip } from "node:zlib";
import type { Eraser, Subject } from "../erasure-ports.ts";
import { readJson } from "../json-objects.ts";
import { ObjectNotFound, type ObjectStore } from "../ports.ts";
import { gzipLines } from "../source-readers/gzip-lines.ts";
import type { JdbcRead } from "../source-readers/jdbc.ts";
import { NO_ROW } from "../source-readers/partitioned.ts";
import { READS_PREFIX } from "./read-parameters.ts";

type Objects = Pick<ObjectStore, "list" | "get" | "put">;

interface HeldPart {
  readonly key: string;
  readonly isOf: (line: string) => boolean;
  /** Rows of a subject. */
  readonly rows: number;
}

const PART = /^(.*)\/parts-(\d+)\/part-[^/]+$/;

export const sourceReadsEraser = (objects: Objects): Eraser => ({
  name: "reads of sources under way",
  survey: async (subjects) => {
    let count = 0;
    for await (const { rows } of partsWith(objects, subjects)) count += rows;
    return count === 0 ? [] : [{ store: "reads under way", count }];
  },
  erase: async (subjects) => {
    for await (const { key, isOf } of partsWith(objects, subjects)) {
      const lines = gzipLines(await objects.get(key));
      const kept = async function* (): AsyncIterable<string> {
        for await (const line of lines) yield `${isOf(line) ? NO_ROW : line}\n`;
      };
      const zipped = createGzip({ level: 1 });
      pipeline(Readable.from(kept()), zipped, () => undefined); // an error ends the reading of it
      await objects.put(key, zipped);
    }
  },
});

async function* partsWith(objects: Objects, subjects: readonly Subject[]): AsyncIterable<HeldPart> {
  const ids = new Set(subjects.flatMap(({ customerId }) => (customerId === undefined ? [] : [customerId])));
  if (ids.size === 0) return;
  const reads = new Map<string, JdbcRead | undefined>();
  for await (const key of objects.list(READS_PREFIX)) {
    const [, folder, attempt] = PART.exec(key) ?? [];
    if (folder === undefined) continue;
    const document = `${folder}/read-${attempt}.json`;
    if (!reads.has(document)) reads.set(document, await readJson<JdbcRead>(objects, document));
    const cell = reads.get(document)?.customerCell;
    if (cell === undefined) continue;
    const isOf = (line: string): boolean => {
      const row = JSON.parse(line) as readonly (string | null)[] | null;
      const id = row?.[cell];
      return typeof id === "string" && ids.has(id);
    };
    const rows = await countOf(objects, key, isOf);
    if (rows > 0) yield { key, isOf, rows };
  }
}

const countOf = async (objects: Objects, key: string, isOf: (line: string) => boolean): Promise<number> => {
  let count = 0;
  try {
    for await (const line of gzipLines(await objects.get(key))) if (isOf(line)) count++;
  } catch (error) {
    if (error instanceof ObjectNotFound) return 0; // its load has ended meanwhile
    throw error;
  }
  return count;
};
