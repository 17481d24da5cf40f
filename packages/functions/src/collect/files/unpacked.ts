/** The bytes of an uploaded file, unpacked and as UTF-8 (or in their single-byte encoding), from any place on. */
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { ObjectStore } from "@ebb/ports";
import { FileProblem } from "./file-problem.ts";
import type { FileShape } from "./file-shape.ts";

/** Most that a file may unpack to. */
export const UNPACKED_BYTES = 10_000_000_000;
/** A file of rows packs to a tenth, seldom to a fiftieth. What packs better than this is a bomb, not a table. */
const LARGEST_RATIO = 250;
const RATIO_FROM_BYTES = 50_000_000;

export const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/** @throws FileProblem for broken gzip and for what unpacks to too much */
export async function* gunzipped(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let bytesIn = 0;
  let bytesOut = 0;
  const counted = async function* () {
    for await (const chunk of packed) {
      bytesIn += chunk.length;
      yield chunk;
    }
  };
  const source = Readable.from(counted(), { objectMode: false });
  const gunzip = createGunzip({ chunkSize: 128 * 1024 });
  // An error of the source ends the unpacking with that error, not with a wait for more.
  source.on("error", (error) => gunzip.destroy(error));
  try {
    for await (const chunk of source.pipe(gunzip)) {
      const bytes = chunk as Buffer;
      bytesOut += bytes.length;
      if (bytesOut > UNPACKED_BYTES || (bytesOut > RATIO_FROM_BYTES && bytesOut > bytesIn * LARGEST_RATIO))
        throw new FileProblem(
          "too_large",
          `The file unpacks to more than ${LARGEST_RATIO} times its size, or to more than ${UNPACKED_BYTES.toLocaleString("en")} bytes.`,
        );
      yield bytes;
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (code.startsWith("Z_"))
      throw new FileProblem("unreadable_file", "The file begins as gzip, but is cut off or damaged.", {}, error);
    throw error;
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}

async function* transcoded(chunks: AsyncIterable<Uint8Array>, encoding: string): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder(encoding, { ignoreBOM: true });
  for await (const chunk of chunks) yield Buffer.from(decoder.decode(chunk, { stream: true }), "utf8");
  yield Buffer.from(decoder.decode(), "utf8");
}

async function* after(chunks: AsyncIterable<Buffer>, bytes: number): AsyncGenerator<Buffer> {
  let left = bytes;
  for await (const chunk of chunks) {
    if (left >= chunk.length) left -= chunk.length;
    else {
      yield left === 0 ? chunk : chunk.subarray(left);
      left = 0;
    }
  }
}

async function* asBuffers(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

/** @param byte of the unpacked, decoded file. What is packed or in two bytes a character is read from its start. */
export const unpackedFrom = async (
  objects: ObjectStore,
  key: string,
  { gzip, encoding }: Pick<FileShape, "gzip" | "encoding">,
  byte: number,
): Promise<AsyncIterable<Buffer>> => {
  const wide = encoding === "utf-16le" || encoding === "utf-16be";
  if (!gzip && !wide) return asBuffers(await objects.get(key, byte));
  const raw = await objects.get(key);
  const unpacked = gzip ? gunzipped(raw) : raw;
  return after(wide ? transcoded(unpacked, encoding) : asBuffers(unpacked), byte);
};

/** The first `bytes` of a stream; the rest is not read. */
export const beginning = async (chunks: AsyncIterable<Uint8Array>, bytes: number): Promise<Buffer> => {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    size += chunk.length;
    if (size >= bytes) break;
  }
  return Buffer.concat(parts).subarray(0, bytes);
};
