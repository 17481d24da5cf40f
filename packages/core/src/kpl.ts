/**
 * The aggregation format of the Kinesis Producer Library: many user records in one stream record. Firehose undoes it by
 * itself. Layout (awslabs/amazon-kinesis-producer, aggregation-format.md):
 *
 *     F3 89 9A C2 │ AggregatedRecord (protobuf) │ MD5 of the protobuf, 16 bytes
 *
 *     AggregatedRecord { repeated string partition_key_table = 1; repeated string explicit_hash_key_table = 2;
 *                        repeated Record records = 3; }
 *     Record           { required uint64 partition_key_index = 1; optional uint64 explicit_hash_key_index = 2;
 *                        required bytes data = 3; repeated Tag tags = 4; }
 *
 * Written by hand because it stands on the way of every event and a general protobuf library is slower and larger.
 */
import { hash } from "node:crypto";

export interface UserRecord {
  readonly partitionKey: string;
  readonly data: Uint8Array;
}

const MAGIC = [0xf3, 0x89, 0x9a, 0xc2] as const;
const DIGEST_BYTES = 16;
const FRAME_BYTES = MAGIC.length + DIGEST_BYTES;

/** (field number << 3) | wire type 2, length-delimited; the index is a varint (wire type 0). */
const TAG = { partitionKey: 0x0a, record: 0x1a, index: 0x08, data: 0x1a } as const;

/** Bytes that a record of its own adds to an aggregate at most, besides its key and data: tags, lengths, index. */
export const USER_RECORD_OVERHEAD_BYTES = 20;

/** Whether the data of a stream record is an aggregate: the magic number is not valid UTF-8, so JSON never looks so. */
export const isAggregated = (buffer: Uint8Array): boolean =>
  buffer.length >= FRAME_BYTES && MAGIC.every((byte, index) => buffer[index] === byte);

const md5 = (bytes: Uint8Array): Buffer => hash("md5", bytes, "buffer");

const varintBytes = (value: number): number => {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
};

const putVarint = (target: Uint8Array, at: number, value: number): number => {
  let rest = value;
  while (rest >= 128) {
    target[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  target[at] = rest;
  return at + 1;
};

/** Packs user records, in their order, into the data of one stream record. A partition key is stored once. */
export const aggregate = (records: readonly UserRecord[]): Uint8Array => {
  const indexOf = new Map<string, number>();
  let size = FRAME_BYTES;
  const bodyBytes = records.map(({ partitionKey, data }) => {
    let index = indexOf.get(partitionKey);
    if (index === undefined) {
      indexOf.set(partitionKey, (index = indexOf.size));
      const keyBytes = Buffer.byteLength(partitionKey);
      size += 1 + varintBytes(keyBytes) + keyBytes;
    }
    const bytes = 1 + varintBytes(index) + 1 + varintBytes(data.length) + data.length;
    size += 1 + varintBytes(bytes) + bytes;
    return bytes;
  });

  const out = Buffer.allocUnsafeSlow(size);
  out.set(MAGIC);
  let at: number = MAGIC.length;
  for (const key of indexOf.keys()) {
    out[at++] = TAG.partitionKey;
    at = putVarint(out, at, Buffer.byteLength(key));
    at += out.write(key, at);
  }
  records.forEach(({ partitionKey, data }, ordinal) => {
    out[at++] = TAG.record;
    at = putVarint(out, at, bodyBytes[ordinal]!);
    out[at++] = TAG.index;
    at = putVarint(out, at, indexOf.get(partitionKey)!);
    out[at++] = TAG.data;
    at = putVarint(out, at, data.length);
    out.set(data, at);
    at += data.length;
  });
  out.set(md5(out.subarray(MAGIC.length, at)), at);
  return out;
};

/** A cursor over protobuf bytes; every read is checked against the end of the message it is in. */
class Reader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; this.#at < this.#end; scale *= 128) {
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
    }
    throw new SyntaxError("the aggregated record has a broken number");
  }

  /** Start and end of a length-delimited field. */
  span(): { start: number; end: number } {
    const length = this.varint();
    const start = this.#at;
    if (length > this.#end - start) throw new SyntaxError("the aggregated record ends inside a field");
    this.#at = start + length;
    return { start, end: this.#at };
  }

  /** Passes over a field this reader does not use. */
  skip(tag: number): void {
    const wireType = tag & 7;
    if (wireType === 0) this.varint();
    else if (wireType === 2) this.span();
    else if (wireType === 1 || wireType === 5) {
      this.#at += wireType === 1 ? 8 : 4;
      if (this.#at > this.#end) throw new SyntaxError("the aggregated record ends inside a field");
    } else throw new SyntaxError(`the aggregated record has a field of the unknown wire type ${wireType}`);
  }
}

const readRecord = (bytes: Uint8Array, start: number, end: number): { index: number; data: Uint8Array } => {
  const reader = new Reader(bytes, start, end);
  let index: number | undefined;
  let data: Uint8Array | undefined;
  while (!reader.done) {
    const tag = reader.varint();
    if (tag === TAG.index) index = reader.varint();
    else if (tag === TAG.data) {
      const span = reader.span();
      data = bytes.subarray(span.start, span.end);
    } else reader.skip(tag);
  }
  if (index === undefined || data === undefined) throw new SyntaxError("a user record lacks its key or its data");
  return { index, data };
};

/**
 * The user records of an aggregate, in their order. `data` are views on `buffer`, not copies.
 * @throws SyntaxError where the magic number, the checksum or the protobuf is wrong
 */
export const userRecords = (buffer: Uint8Array): UserRecord[] => {
  if (!isAggregated(buffer)) throw new SyntaxError("the record is not in the aggregation format");
  const end = buffer.length - DIGEST_BYTES;
  const body = buffer.subarray(MAGIC.length, end);
  if (Buffer.compare(md5(body), buffer.subarray(end)) !== 0) {
    throw new SyntaxError("the checksum of the aggregated record is wrong");
  }
  const keys: string[] = [];
  const records: { index: number; data: Uint8Array }[] = [];
  const reader = new Reader(body);
  while (!reader.done) {
    const tag = reader.varint();
    if (tag === TAG.partitionKey) {
      const { start, end: stop } = reader.span();
      keys.push(Buffer.from(body.buffer, body.byteOffset + start, stop - start).toString("utf8"));
    } else if (tag === TAG.record) {
      const span = reader.span();
      records.push(readRecord(body, span.start, span.end));
    } else reader.skip(tag);
  }
  return records.map(({ index, data }) => {
    const partitionKey = keys[index];
    if (partitionKey === undefined) throw new SyntaxError(`a user record names the missing partition key ${index}`);
    return { partitionKey, data };
  });
};
