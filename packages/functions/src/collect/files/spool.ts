/**
 * Rows gathered by what they belong to, in bounded memory: each partition holds the rows of some orders, all of them.
 * While the file is small the partitions stay in memory; beyond that they are written to the object store in runs, and
 * a partition is read back from all runs.
 *
 * A frame is a row number and a length (both 32 bits, little endian) and the row's bytes. A run is the lengths of its
 * partitions (32 bits each) and then the partitions.
 */
import type { ObjectStore } from "@ebb/ports";
import { release } from "@ebb/ports/release";
import { beginning } from "./unpacked.ts";

/** Where a row lies, so that its original bytes can be shown. */
export interface Place {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly rowNumber: number;
}

const FRAME_HEAD = 8;
const SMALLEST_CHUNK = 4 * 1024;
const LARGEST_CHUNK = 64 * 1024;

interface Partition {
  full: Buffer[];
  open: Buffer;
  used: number;
  bytes: number;
}

export class Spool {
  readonly #objects: ObjectStore;
  readonly #prefix: string;
  readonly #partitions: Partition[];
  readonly #spare: Buffer[] = [];
  #runs: number;
  readonly #indexes = new Map<number, number[]>();
  #bytes = 0;

  /** @param runs how many an earlier process wrote */
  constructor(objects: ObjectStore, prefix: string, partitions: number, runs: number) {
    this.#objects = objects;
    this.#prefix = prefix;
    this.#runs = runs;
    this.#partitions = Array.from({ length: partitions }, emptyPartition);
  }

  /** Bytes in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  get runs(): number {
    return this.#runs;
  }

  add(partition: number, bytes: Buffer, start: number, end: number, rowNumber: number): void {
    const part = this.#partitions[partition]!;
    const size = FRAME_HEAD + end - start;
    if (part.used + size > part.open.length) {
      if (part.used > 0) part.full.push(part.open.subarray(0, part.used));
      part.open = this.#chunkFor(size, part.bytes);
      part.used = 0;
    }
    const { open, used } = part;
    open.writeUInt32LE(rowNumber, used);
    open.writeUInt32LE(end - start, used + 4);
    bytes.copy(open, used + FRAME_HEAD, start, end);
    part.used = used + size;
    part.bytes += size;
    this.#bytes += size;
  }

  /** A chunk for at least `size` bytes: a spare one, or one that grows with its partition. */
  #chunkFor(size: number, partitionBytes: number): Buffer {
    const spare = size <= LARGEST_CHUNK ? this.#spare.pop() : undefined;
    if (spare !== undefined) return spare;
    return Buffer.allocUnsafeSlow(Math.max(size, Math.min(LARGEST_CHUNK, Math.max(SMALLEST_CHUNK, partitionBytes))));
  }

  /**
   * Writes what is in memory as the next run. Durable when it resolves.
   * @param last no more rows are added
   */
  async spill(last = false): Promise<void> {
    const partitions = this.#partitions;
    const index = Buffer.alloc(4 * partitions.length);
    partitions.forEach((part, number) => index.writeUInt32LE(part.bytes, 4 * number));
    const body = async function* () {
      yield index;
      for (const part of partitions) yield* chunksOf(part);
    };
    await this.#objects.put(this.#keyOf(this.#runs), body());
    this.#runs++;
    this.#bytes = 0;
    if (last) this.#spare.length = 0;
    for (const [number, part] of partitions.entries()) {
      // Chunks are used again: what is thrown away would stay in memory until the collector sees a reason to run.
      for (const { buffer } of [...part.full, part.open])
        if (!last && buffer.byteLength === LARGEST_CHUNK) this.#spare.push(Buffer.from(buffer));
      partitions[number] = emptyPartition();
    }
  }

  /** Bytes of one partition, in all runs and in memory. */
  async sizeOf(partition: number): Promise<number> {
    let size = this.#partitions[partition]!.bytes;
    for (let run = 0; run < this.#runs; run++) size += (await this.#indexOf(run))[partition]!;
    return size;
  }

  /** The frames of one partition in the order of the file, in buffers of whole frames. */
  async *read(partition: number): AsyncGenerator<Buffer> {
    for (let run = 0; run < this.#runs; run++) {
      const index = await this.#indexOf(run);
      let start = 4 * index.length;
      for (let before = 0; before < partition; before++) start += index[before]!;
      if (index[partition]! > 0)
        yield* wholeFrames(await this.#objects.get(this.#keyOf(run), start, index[partition]), index[partition]!);
    }
    yield* chunksOf(this.#partitions[partition]!);
  }

  /** Forgets a partition that is in memory, and what was read of it. */
  drop(partition: number): void {
    const part = this.#partitions[partition]!;
    this.#bytes -= part.bytes;
    for (const { buffer } of [...part.full, part.open]) release(new Uint8Array(buffer));
    this.#partitions[partition] = emptyPartition();
  }

  async remove(): Promise<void> {
    const keys: string[] = [];
    for await (const key of this.#objects.list(`${this.#prefix}/`)) keys.push(key);
    if (keys.length > 0) await this.#objects.delete(keys);
  }

  #keyOf(run: number): string {
    return `${this.#prefix}/run-${String(run).padStart(6, "0")}`;
  }

  async #indexOf(run: number): Promise<number[]> {
    let index = this.#indexes.get(run);
    if (index === undefined) {
      const length = 4 * this.#partitions.length;
      const bytes = await beginning(await this.#objects.get(this.#keyOf(run), 0, length), length);
      index = Array.from({ length: this.#partitions.length }, (_, number) => bytes.readUInt32LE(4 * number));
      this.#indexes.set(run, index);
    }
    return index;
  }
}

const emptyPartition = (): Partition => ({ full: [], open: Buffer.alloc(0), used: 0, bytes: 0 });

function* chunksOf(part: Partition): Generator<Buffer> {
  yield* part.full;
  if (part.used > 0) yield part.open.subarray(0, part.used);
}

/** Cuts a stream of bytes at frames. */
async function* wholeFrames(chunks: AsyncIterable<Uint8Array>, length: number): AsyncGenerator<Buffer> {
  let left = length;
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, Math.min(chunk.byteLength, left));
    left -= bytes.length;
    const data = pending.length === 0 ? bytes : Buffer.concat([pending, bytes]);
    let end = 0;
    while (end + FRAME_HEAD <= data.length) {
      const next = end + FRAME_HEAD + data.readUInt32LE(end + 4);
      if (next > data.length) break;
      end = next;
    }
    if (end > 0) yield data.subarray(0, end);
    pending = data.subarray(end);
    if (left === 0) break;
  }
}

/** Calls `visit` for each row of a buffer of whole frames. */
export const eachFrame = (
  frames: Buffer,
  visit: (bytes: Buffer, start: number, end: number, rowNumber: number) => void,
): void => {
  for (let at = 0; at < frames.length;) {
    const start = at + FRAME_HEAD;
    const end = start + frames.readUInt32LE(at + 4);
    visit(frames, start, end, frames.readUInt32LE(at));
    at = end;
  }
};
