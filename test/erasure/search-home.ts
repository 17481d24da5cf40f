/** A search of every byte that a home keeps. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { text } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";

/**
 * Files and places in which a trace was found, after everything that is packed was unpacked.
 *
 * The search is a process of its own. The home may run in this one, and who closes a file gives up every lock that the
 * process holds on it (POSIX; sqlite.org/howtocorrupt.html, 2.2): the next process to open a store of SQLite would take
 * it for unused and delete its write-ahead log.
 */
export const searchHome = async (
  folder: string,
  traces: readonly string[],
  /** Searched before: files that are byte for byte one of the same name there are passed over. */
  searched?: string,
): Promise<string[]> => {
  const folders = searched === undefined ? [folder] : [folder, searched];
  const child = spawn(process.execPath, [import.meta.filename, ...folders], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(JSON.stringify(traces));
  const [found, [code]] = await Promise.all([text(child.stdout), once(child, "close") as Promise<[number | null]>]);
  if (code !== 0) throw new Error(`the search ended with ${code}`);
  return JSON.parse(found) as string[];
};

/** Letters and digits of base64: those of hex are among them. */
const WORD = new Uint8Array(256);
for (const byte of Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")) WORD[byte] = 1;
const KEY_DIGITS = 32;
/** Shorter words are no packed event. */
const PACKED_BYTES = 80;

interface Looked {
  readonly found: ReadonlySet<string>;
  /** What may be base64, unpacked. */
  readonly unpacked: readonly Buffer[];
}

/**
 * Finds which of the traces stand in bytes, in one pass for all of them: keys in every long word, addresses at every place of
 * their domain, whatever is written before and after them. A shop is a gigabyte when it is unpacked, and regular expressions
 * took most of the time of the search.
 */
const traceFinder = (traces: readonly string[]): ((bytes: Buffer) => Looked) => {
  const keys = new Set(traces.filter((trace) => /^[0-9a-f]{32}$/.test(trace)));
  const byDomain = Map.groupBy(
    traces.filter((trace) => trace.includes("@")),
    (trace) => trace.slice(trace.indexOf("@")),
  );
  const domains = [...byDomain].map(([domain, addresses]) => ({
    domain,
    addresses: new Set(addresses),
    lengths: new Set(addresses.map(({ length }) => length)),
  }));
  const others = traces.filter((trace) => !keys.has(trace) && !trace.includes("@"));
  return (bytes) => {
    const found = new Set(others.filter((trace) => bytes.includes(trace)));
    const unpacked: Buffer[] = [];
    for (let at = 0, from = 0; at <= bytes.length; at++) {
      if (at < bytes.length && WORD[bytes[at]!] === 1) continue;
      if (at - from >= KEY_DIGITS) {
        const word = bytes.toString("latin1", from, at);
        for (let start = 0; start + KEY_DIGITS <= word.length; start++) {
          const key = word.slice(start, start + KEY_DIGITS);
          if (keys.has(key)) found.add(key);
        }
        if (word.length >= PACKED_BYTES) unpacked.push(Buffer.from(word, "base64"));
      }
      from = at + 1;
    }
    for (const { domain, addresses, lengths } of domains)
      for (let at = bytes.indexOf(domain); at >= 0; at = bytes.indexOf(domain, at + 1))
        for (const length of lengths) {
          const end = at + domain.length;
          const address = bytes.toString("latin1", Math.max(0, end - length), end);
          if (addresses.has(address)) found.add(address);
        }
    return { found, unpacked };
  };
};

const withoutZeros = (bytes: Buffer): Buffer => {
  const kept = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte !== 0) kept[length++] = byte;
  }
  return kept.subarray(0, length);
};

const search = async (folder: string, traces: readonly string[], searched?: string): Promise<string[]> => {
  const found: string[] = [];
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const finder = traceFinder(traces);
  const look = (place: string, bytes: Buffer): void => {
    const { found: here, unpacked } = finder(bytes);
    for (const trace of here) found.push(`${place}: ${trace}`);
    // UTF-16 has zeros between; base64 is unpacked where it stands in a dead letter.
    if (bytes.includes(0)) for (const trace of finder(withoutZeros(bytes)).found) found.push(`${place}: ${trace}`);
    for (const content of unpacked)
      for (const trace of finder(content).found) found.push(`${place} (base64): ${trace}`);
  };
  try {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const file = path.join(entry.parentPath, entry.name);
      const place = path.relative(folder, file);
      const bytes = await readFile(file);
      if (searched !== undefined) {
        const same = await readFile(path.join(searched, place)).catch(() => undefined);
        if (same?.equals(bytes) === true) continue;
      }
      look(place, bytes);
      if (bytes[0] === 0x1f && bytes[1] === 0x8b) look(`${place} (gzip)`, gunzipSync(bytes));
      if (place.endsWith(".parquet")) {
        const reader = await connection.runAndReadAll(
          `SELECT to_json(t)::VARCHAR FROM read_parquet('${file}', hive_partitioning = false) AS t`,
        );
        look(`${place} (rows)`, Buffer.from(reader.getRows().flat().join("\n")));
      }
      if (traces.some((trace) => place.includes(trace))) found.push(`the name of ${place}`);
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
  return [...new Set(found)];
};

if (process.argv[1] === import.meta.filename) {
  const traces = JSON.parse(await text(process.stdin)) as string[];
  process.stdout.write(JSON.stringify(await search(process.argv[2]!, traces, process.argv[3])));
}
