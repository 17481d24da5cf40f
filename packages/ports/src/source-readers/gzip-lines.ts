/** Lines of a compressed stream; a line ends with a line feed and nothing else. */
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";

/** An item has 400 KB; with both its images, as JSON, less than this. */
const LONGEST_LINE = 16 * 1024 * 1024;

export async function* gzipLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const source = Readable.from(bytes);
  const gunzip = createGunzip();
  source.on("error", (error) => gunzip.destroy(error));
  let held: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of source.pipe(gunzip) as AsyncIterable<Buffer>) {
      let from = 0;
      for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, from)) {
        yield Buffer.concat([...held, chunk.subarray(from, end)]).toString("utf8");
        held = [];
        size = 0;
        from = end + 1;
      }
      if (from === chunk.length) continue;
      held.push(chunk.subarray(from));
      if ((size += chunk.length - from) > LONGEST_LINE) throw new RangeError("a line has more than 16 MB");
    }
    if (held.length > 0) yield Buffer.concat(held).toString("utf8");
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}
