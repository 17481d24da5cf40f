import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Lockfile, type Policy, auditProblems, lockProblems, unpinned } from "../../scripts/supply-chain-rules.ts";

const read = (file: string): unknown => JSON.parse(readFileSync(new URL(`../../${file}`, import.meta.url), "utf8"));
const own = read("scripts/supply-chain.json") as Policy;

const policy: Policy = {
  licences: ["MIT", "ISC"],
  licenceExceptions: {},
  installScripts: {},
  advisories: [{ id: "GHSA-aaaa", reason: "only on Windows", until: "2026-06-30" }],
};
const lockOf = (entry: Lockfile["packages"][string], path = "node_modules/left"): Lockfile => ({
  lockfileVersion: 3,
  packages: { "": {}, "packages/core": {}, [path]: entry },
});
const sound = { version: "1.0.0", integrity: "sha512-x", license: "MIT" };

test("what this project installs is pinned by hash, licensed as listed, and runs only scripts named in the list", () => {
  assert.deepEqual(lockProblems(read("package-lock.json") as Lockfile, own), []);
});

test("npm is told to run the same install scripts as the list gives reasons for, and no other", () => {
  const { allowScripts } = read("package.json") as { allowScripts: Record<string, boolean> };
  assert.deepEqual(Object.keys(allowScripts).sort(), Object.keys(own.installScripts).sort());
  assert.match(
    readFileSync(new URL("../../scripts/bootstrap.mjs", import.meta.url), "utf8"),
    /"npm", \["ci", "--strict-allow-scripts"/,
  );
});

test("a package without a hash, from elsewhere, with a licence or a script that is not listed is named", () => {
  assert.deepEqual(lockProblems(lockOf(sound), policy), []);
  assert.match(lockProblems(lockOf({ version: "1.0.0", license: "MIT" }), policy)[0]!, /left has no SHA-512/);
  assert.match(lockProblems(lockOf({ ...sound, integrity: "sha1-x" }), policy)[0]!, /left has no SHA-512/);
  assert.match(
    lockProblems(lockOf({ ...sound, resolved: "https://example.com/left.tgz" }), policy)[0]!,
    /does not come from the npm registry/,
  );
  assert.match(lockProblems(lockOf({ ...sound, license: "GPL-3.0-only" }), policy)[0]!, /GPL-3.0-only/);
  assert.match(lockProblems(lockOf({ version: "1.0.0", integrity: "sha512-x" }), policy)[0]!, /none stated/);
  const nested = lockProblems(lockOf({ ...sound, hasInstallScript: true }, "node_modules/a/node_modules/@b/c"), policy);
  assert.match(nested[0]!, /@b\/c would run a script/);
  assert.deepEqual(
    lockProblems(lockOf({ ...sound, hasInstallScript: true }, "node_modules/a/node_modules/@b/c"), {
      ...policy,
      installScripts: { "@b/c": "known" },
    }),
    [],
  );
});

test("of licences to choose from one suffices, of licences together all are needed", () => {
  assert.deepEqual(lockProblems(lockOf({ ...sound, license: "(GPL-2.0-only OR MIT)" }), policy), []);
  assert.deepEqual(lockProblems(lockOf({ ...sound, license: "MIT AND ISC" }), policy), []);
  assert.equal(lockProblems(lockOf({ ...sound, license: "MIT AND GPL-2.0-only" }), policy).length, 1);
});

test("an exception that nothing needs any more must go", () => {
  const problems = lockProblems(lockOf(sound), { ...policy, licenceExceptions: { left: "old" } });
  assert.match(problems[0]!, /licenceExceptions names left/);
});

test("a range of versions is not a version", () => {
  const manifest = {
    dependencies: { a: "1.2.3", "@ebb/core": "*" },
    devDependencies: { b: "^1.2.3", c: "2.0.0-rc.1" },
  };
  assert.deepEqual(unpinned("package.json", manifest), ["package.json asks for b ^1.2.3, not for one version."]);
});

test("an advisory fails the gate until it is mended or has an exception that still holds", () => {
  const report = {
    vulnerabilities: {
      left: { via: [{ url: "https://github.com/advisories/GHSA-aaaa", title: "Bad", severity: "high" }] },
      right: { via: ["left"] },
    },
  };
  assert.deepEqual(auditProblems(report, policy, "2026-06-30"), []);
  assert.deepEqual(auditProblems(report, policy, "2026-07-01"), [
    "left: the exception for GHSA-aaaa ended on 2026-06-30.",
  ]);
  assert.deepEqual(auditProblems(report, { ...policy, advisories: [] }, "2026-06-30"), ["left: GHSA-aaaa (high) Bad"]);
  assert.deepEqual(auditProblems({ vulnerabilities: {} }, policy, "2026-06-30"), []);
  assert.equal(auditProblems({}, policy, "2026-06-30"), undefined, "no answer is not a clean answer");
});
