/** Just enough of protobuf's wire format to write a message (protobuf.dev/programming-guides/encoding). */

export type Field = readonly Uint8Array[];

const varint = (value: number | bigint): Uint8Array => {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 0x80);
  } while (rest !== 0n);
  return Uint8Array.from(bytes);
};

const key = (field: number, wireType: number): Uint8Array => varint((field << 3) | wireType);

/** int32, int64, enum. */
export const integer = (field: number, value: number): Field => [key(field, 0), varint(value)];

/** bytes, a message, packed numbers. */
export const bytes = (field: number, value: Uint8Array): Field => [key(field, 2), varint(value.length), value];

export const text = (field: number, value: string): Field => bytes(field, new TextEncoder().encode(value));

/** One after the other: the body of a message. */
export const message = (...fields: readonly Field[]): Uint8Array => {
  const parts = fields.flat();
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
};

/** Numbers as little-endian doubles. */
export const doubles = (values: readonly number[]): Uint8Array => {
  const view = new DataView(new ArrayBuffer(values.length * 8));
  values.forEach((value, i) => view.setFloat64(i * 8, value, true));
  return new Uint8Array(view.buffer);
};

export const int64s = (values: readonly number[]): Uint8Array => {
  const view = new DataView(new ArrayBuffer(values.length * 8));
  values.forEach((value, i) => view.setBigInt64(i * 8, BigInt(value), true));
  return new Uint8Array(view.buffer);
};
