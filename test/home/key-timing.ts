/**
 * Whether the time of an answer tells anything of a key: right, wrong in its last character alone, or unknown, in an
 * order by chance; compared by the Mann-Whitney U test (normal approximation, Mann & Whitney 1947) on the looking up
 * itself and, for those that are refused, on whole requests. Run it: node test/home/key-timing.ts
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { readScopes } from "@ebb/core/scopes";
import { type Home, startHome } from "@ebb/home/home";
import { EmbeddedKeyRing } from "@ebb/ports/embedded/key-ring";
import { createKey } from "@ebb/ports/stored-keys";
import { Connection, getRequest } from "../bench/processes/connection.ts";
import { seeded } from "../aws/faults.ts";

type Samples = Readonly<Record<string, number[]>>;

/** Nanoseconds of each kind, asked in turns by chance, the first tenth thrown away. */
const measured = async (
  kinds: Readonly<Record<string, string>>,
  rounds: number,
  ask: (key: string) => Promise<unknown>,
): Promise<Samples> => {
  const chance = seeded(20_261_122);
  const samples: Record<string, number[]> = Object.fromEntries(Object.keys(kinds).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const order = Object.entries(kinds)
      .map((entry) => [chance(), entry] as const)
      .sort(([a], [b]) => a - b);
    for (const [, [name, key]] of order) {
      const start = process.hrtime.bigint();
      await ask(key);
      const took = Number(process.hrtime.bigint() - start);
      if (round >= rounds / 10) samples[name]!.push(took);
    }
  }
  return samples;
};

/** z of the Mann-Whitney U test with the mean rank for ties, and the share of pairs in which the second took longer. */
const mannWhitney = (a: readonly number[], b: readonly number[]): { z: number; longer: number } => {
  const all = [...a.map((value) => ({ value, of: 0 })), ...b.map((value) => ({ value, of: 1 }))].sort(
    (x, y) => x.value - y.value,
  );
  let [rankSum, tieSum] = [0, 0];
  for (let start = 0; start < all.length;) {
    let end = start;
    while (end < all.length && all[end]!.value === all[start]!.value) end++;
    for (let index = start; index < end; index++) if (all[index]!.of === 1) rankSum += (start + 1 + end) / 2;
    tieSum += (end - start) ** 3 - (end - start);
    start = end;
  }
  const [n, m] = [a.length, b.length];
  const u = rankSum - (m * (m + 1)) / 2;
  const variance = ((n * m) / 12) * (n + m + 1 - tieSum / ((n + m) * (n + m - 1)));
  return { z: (u - (n * m) / 2) / Math.sqrt(variance), longer: u / (n * m) };
};

const quantile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * share)]! / 1000;

const tell = (title: string, samples: Samples): void => {
  const names = Object.keys(samples);
  process.stdout.write(`${title}, ${samples[names[0]!]!.length} of each\n`);
  for (const name of names) {
    const [p25, p50, p75, p99] = [0.25, 0.5, 0.75, 0.99].map((share) => quantile(samples[name]!, share).toFixed(2));
    process.stdout.write(`  ${name.padEnd(32)}p25 ${p25} µs, p50 ${p50} µs, p75 ${p75} µs, p99 ${p99} µs\n`);
  }
  for (const other of names.slice(1)) {
    const { z, longer } = mannWhitney(samples[names[0]!]!, samples[other]!);
    process.stdout.write(
      `  ${other} took longer than ${names[0]} in ${(100 * longer).toFixed(1)} % of pairs (50 % is chance), z ${z.toFixed(1)}\n`,
    );
  }
};

const folder = await mkdtemp(path.join(tmpdir(), "ebb-timing-"));
let home: Home | undefined;
try {
  home = await startHome({ folder, port: 0, currency: "EUR" });
  const ring = new EmbeddedKeyRing(folder);
  const { key } = await createKey(ring, { scopes: readScopes, source: "shop" }, Date.now());
  const wrong = {
    "wrong in the last character": key.slice(0, -1) + (key.endsWith("A") ? "B" : "A"),
    "an unknown id": `ebr_${"0".repeat(12)}${key.slice(16)}`,
  };
  tell("looking a key up", await measured({ right: key, ...wrong }, 20_000, (one) => ring.find(one)));
  const connection = await Connection.open(home.url);
  const asking = (one: string) => connection.send(getRequest(home!.url, "/v1/ledger", one));
  tell("a request that is refused", await measured(wrong, 4_000, asking));
  connection.close();
} finally {
  await home?.close();
  await rm(folder, { recursive: true, force: true });
}
