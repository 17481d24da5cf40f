/** The gate as it is run, by npm itself, against an advisory service of the test's own. Some ten seconds. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Lockfile } from "../../scripts/supply-chain-rules.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Runs the gate with a registry that answers every question about advisories so; `undefined`: that does not answer. */
const gate = async (
  advisories: object | undefined,
  ...args: string[]
): Promise<{ code: number | null; out: string }> => {
  let asked = 0;
  const server = createServer((request, response) => {
    const bulk = request.url!.endsWith("/advisories/bulk");
    if (bulk) asked++;
    response.writeHead(bulk && advisories !== undefined ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(bulk ? (advisories ?? {}) : {}));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const child = spawn(process.execPath, [path.join(root, "scripts/supply-chain.ts"), ...args], {
      env: {
        ...process.env,
        npm_config_registry: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
        npm_config_fetch_retries: "0",
      },
    });
    let out = "";
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (out += text));
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    assert.ok(asked > 0, "npm asked the service");
    return { code, out };
  } finally {
    server.close();
  }
};

test("an advisory about what is installed fails the gate by its name", { timeout: 120_000 }, async () => {
  const advisory = {
    id: 1,
    url: "https://github.com/advisories/GHSA-test-test-test",
    title: "Answers too much",
    severity: "high",
    vulnerable_versions: "*",
    cwe: [],
    cvss: { score: 0, vectorString: null },
  };
  const { code, out } = await gate({ esbuild: [advisory] });
  assert.match(out, /esbuild: GHSA-test-test-test \(high\) Answers too much/);
  assert.equal(code, 1);
});

test("a service that knows of nothing is told apart from one that does not answer", { timeout: 120_000 }, async () => {
  const clean = await gate({});
  assert.match(clean.out, /npm audit: 0 advisories without an exception/);
  assert.equal(clean.code, 0);
  const silent = await gate(undefined);
  assert.match(silent.out, /npm audit: NOT RUN, the advisory service did not answer/);
  assert.equal(silent.code, 0);
});

test(
  "the bill of materials names every package of the lockfile with its version and hash",
  { timeout: 120_000 },
  async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "ebb-sbom-"));
    try {
      const file = path.join(folder, "sbom.json");
      assert.equal((await gate({}, "--sbom", file)).code, 0);
      const bill = JSON.parse(await readFile(file, "utf8")) as {
        components: { name: string; version: string; hashes?: { alg: string; content: string }[] }[];
      };
      const billed = new Set(
        bill.components.map(
          ({ name, version, hashes = [] }) => `${name}@${version} ${hashes.map(({ alg }) => alg).join()}`,
        ),
      );
      const lock = JSON.parse(await readFile(path.join(root, "package-lock.json"), "utf8")) as Lockfile;
      for (const [at, { version, link }] of Object.entries(lock.packages)) {
        const name = at.split("node_modules/").at(-1)!;
        if (at.includes("node_modules/") && link !== true)
          assert.ok(billed.has(`${name}@${version!} SHA-512`), `${name}@${version!} is not in the bill`);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);
