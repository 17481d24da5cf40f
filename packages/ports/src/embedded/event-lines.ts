/** Events as they wait for the log, and as they travel to its thread: bytes outside the JavaScript heap. */
import type { EncodedEvent } from "../ports.ts";

/** JSON lines of events, UTF-8, each with its line break. */
export interface Lines {
  readonly bytes: Buffer;
  /** Where each line ends, its line break included. */
  readonly ends: Uint32Array;
}

const LINE_BREAK = 0x0a;

export const linesOf = (events: readonly EncodedEvent[]): Lines => {
  const ends = new Uint32Array(events.length);
  let size = 0;
  for (let index = 0; index < events.length; index++) ends[index] = size += Buffer.byteLength(events[index]!.json) + 1;
  const bytes = Buffer.allocUnsafeSlow(size);
  for (let index = 0; index < events.length; index++) {
    const end = ends[index]! - 1;
    bytes.write(events[index]!.json, index === 0 ? 0 : ends[index - 1]!);
    bytes[end] = LINE_BREAK;
  }
  return { bytes, ends };
};

/** The lines whose flag is set. */
export const someOf = ({ bytes, ends }: Lines, wanted: readonly boolean[]): Lines => {
  const kept: Buffer[] = [];
  const keptEnds: number[] = [];
  let size = 0;
  for (let index = 0; index < ends.length; index++) {
    if (wanted[index] !== true) continue;
    const line = bytes.subarray(index === 0 ? 0 : ends[index - 1]!, ends[index]);
    kept.push(line);
    keptEnds.push((size += line.length));
  }
  return { bytes: Buffer.concat(kept, size), ends: Uint32Array.from(keptEnds) };
};
