/** A home with orders, visits, files and refused rows of known people, and a search of every byte that it keeps. */
import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { Pseudonymizer } from "@ebb/core/ids";
import type { Home } from "@ebb/home/home";
import { openSecrets } from "@ebb/ports/embedded/configuration";
import { EmbeddedKeyRing } from "@ebb/ports/embedded/key-ring";
import { createKey } from "@ebb/ports/stored-keys";
import { DuckDBInstance } from "@duckdb/node-api";

/** How to reach a home, whether it runs in this process or in one of its own. */
export type Reached = Pick<Home, "url" | "writeKey" | "readKey">;

/** A key that may erase and export; made in the folder that the home has open. */
export const trustKey = async (folder: string): Promise<string> => {
  const wanted = { scopes: ["erase", "export"] as const, source: "shop", label: "of the test" };
  return (await createKey(new EmbeddedKeyRing(folder), wanted, Date.now())).key;
};

export const call = async (
  home: Pick<Reached, "url">,
  key: string,
  method: string,
  address: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> => {
  const response = await fetch(home.url + address, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>) };
};

/** What a person may be found by: the producer's id, and the keys made of the ids. */
export const tracesOf = (folder: string, customerIds: readonly string[], anonymousIds: readonly string[]): string[] => {
  const pseudonyms = new Pseudonymizer(openSecrets(folder).customerSecret);
  return [
    ...customerIds.flatMap((id) => [id, pseudonyms.customer(id).slice(4)]),
    ...anonymousIds.flatMap((id) => [id, pseudonyms.anonymous(id).slice(4)]),
  ];
};

/**
 * Finds which of the traces stand in a text, in one pass for all of them: keys in every run of hex digits, addresses at
 * every place of their domain, whatever is written before and after them.
 */
const traceFinder = (traces: readonly string[]): ((text: string) => Set<string>) => {
  const keys = new Set(traces.filter((trace) => /^[0-9a-f]{32}$/.test(trace)));
  const byDomain = Map.groupBy(
    traces.filter((trace) => trace.includes("@")),
    (trace) => trace.slice(trace.indexOf("@")),
  );
  const others = traces.filter((trace) => !keys.has(trace) && !trace.includes("@"));
  return (text) => {
    const found = new Set(others.filter((trace) => text.includes(trace)));
    for (const [run] of text.matchAll(/[0-9a-f]{32,}/g))
      for (let at = 0; at + 32 <= run.length; at++) {
        const key = run.slice(at, at + 32);
        if (keys.has(key)) found.add(key);
      }
    for (const [domain, addresses] of byDomain)
      for (let at = text.indexOf(domain); at >= 0; at = text.indexOf(domain, at + 1))
        for (const address of addresses)
          if (!found.has(address) && text.startsWith(address, at + domain.length - address.length)) found.add(address);
    return found;
  };
};

/** Files and places in which a trace was found, after everything that is packed was unpacked. */
export const searchHome = async (folder: string, traces: readonly string[]): Promise<string[]> => {
  const found: string[] = [];
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const finder = traceFinder(traces);
  const look = (place: string, bytes: Buffer): void => {
    const text = bytes.toString("latin1");
    for (const trace of finder(text)) found.push(`${place}: ${trace}`);
    // UTF-16 has zeros between; base64 is unpacked where it stands in a dead letter.
    if (text.includes("\0")) for (const trace of finder(text.replaceAll("\0", ""))) found.push(`${place}: ${trace}`);
    for (const [packed] of text.matchAll(/[A-Za-z0-9+/]{80,}={0,2}/g))
      for (const trace of finder(Buffer.from(packed, "base64").toString("latin1")))
        found.push(`${place} (base64): ${trace}`);
  };
  try {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const file = path.join(entry.parentPath, entry.name);
      const place = path.relative(folder, file);
      const bytes = await readFile(file);
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

/** Waits for an erasure and answers what stands in its receipt by store. */
export const erased = async (
  home: Reached,
  key: string,
  erasureId: string,
): Promise<Map<string, { count: number; objects?: number }>> => {
  for (;;) {
    const { body } = await call(home, key, "GET", `/v1/erasures/${erasureId}`);
    if (body["state"] === "done") {
      const { removed } = body["receipt"] as { removed: { store: string; count: number; objects?: number }[] };
      return new Map(removed.map(({ store, ...rest }) => [store, rest]));
    }
    assert.ok(["requested", "running"].includes(String(body["state"])), JSON.stringify(body));
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
};
