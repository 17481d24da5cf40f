/** The files of a zip archive in the object store, read in place and within bounds. */
import { Readable } from "node:stream";
import yauzl from "yauzl";
import type { ObjectStore } from "@ebb/ports";
import { ObjectNotFound, TransientError } from "@ebb/ports";
import { FileProblem } from "./file-problem.ts";

/** A workbook has some dozens of entries. */
const ENTRIES = 5_000;
/** A full sheet of 1,048,576 rows unpacks to some hundreds of megabytes. */
const ENTRY_BYTES = 2_000_000_000;
/** Sheets pack to a tenth or a twentieth. What packs better than this is a bomb. */
export const LARGEST_RATIO = 250;
export const RATIO_FROM_BYTES = 50_000_000;

class ObjectReader extends yauzl.RandomAccessReader {
  readonly #objects: ObjectStore;
  readonly #key: string;

  constructor(objects: ObjectStore, key: string) {
    super();
    this.#objects = objects;
    this.#key = key;
  }

  override _readStreamForRange(start: number, end: number): Readable {
    const objects = this.#objects;
    const key = this.#key;
    const range = async function* () {
      let left = end - start;
      if (left === 0) return;
      for await (const chunk of await objects.get(key, start)) {
        yield chunk.length <= left ? chunk : chunk.subarray(0, left);
        left -= chunk.length;
        if (left <= 0) return;
      }
    };
    return Readable.from(range(), { objectMode: false });
  }
}

/** What the store says stays what it is; everything else that goes wrong is the archive's fault. */
export const asFileProblem = (error: unknown): unknown =>
  error instanceof FileProblem || error instanceof TransientError || error instanceof ObjectNotFound
    ? error
    : new FileProblem(
        "unreadable_file",
        "The file begins as a workbook (XLSX), but is damaged or no workbook.",
        {},
        error,
      );

export interface ZipEntries {
  /** The unpacked bytes of an entry; `undefined` where there is none of the name. @throws FileProblem */
  open(name: string): Promise<Readable | undefined>;
  close(): void;
}

/** @throws FileProblem for what is no archive, has too many entries, or unpacks to too much */
export const openZip = async (objects: ObjectStore, key: string, bytes: number): Promise<ZipEntries> => {
  try {
    const zip = await yauzl.fromRandomAccessReaderPromise(new ObjectReader(objects, key), bytes, { autoClose: false });
    if (zip.entryCount > ENTRIES)
      throw new FileProblem("too_large", `The workbook has more than ${ENTRIES.toLocaleString("en")} entries.`);
    const entries = new Map<string, yauzl.Entry>();
    for await (const entry of zip.eachEntry()) entries.set(entry.fileName, entry);
    return {
      open: async (name) => {
        const entry = entries.get(name);
        if (entry === undefined) return undefined;
        const { uncompressedSize, compressedSize } = entry;
        if (
          uncompressedSize > ENTRY_BYTES ||
          (uncompressedSize > RATIO_FROM_BYTES && uncompressedSize > compressedSize * LARGEST_RATIO)
        )
          throw new FileProblem(
            "too_large",
            `A part of the workbook unpacks to more than ${LARGEST_RATIO} times its size, or to more than ${ENTRY_BYTES.toLocaleString("en")} bytes.`,
          );
        try {
          return await zip.openReadStreamPromise(entry);
        } catch (error) {
          throw asFileProblem(error);
        }
      },
      close: () => zip.close(),
    };
  } catch (error) {
    throw asFileProblem(error);
  }
};
