/** What SST would upload for each handler: it must bundle, load nothing native, and stay small enough to start fast. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { functions, routes } from "@ebb/functions/declarations";

const root = path.resolve(import.meta.dirname, "../..");
/** Lambda takes 50 MB zipped; beyond a few megabytes of code a cold start is felt. */
const mostBytes = 6_000_000;
/** SST puts the same before its bundles: CommonJS packages inside an ES module ask for these. */
const banner =
  'import { createRequire as topLevelRequire } from "module"; const require = topLevelRequire(import.meta.url); import { fileURLToPath as topLevelPath, URL as TopLevelUrl } from "url"; const __filename = topLevelPath(import.meta.url), __dirname = topLevelPath(new TopLevelUrl(".", import.meta.url));';

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "ebb-bundles-"));
});
after(() => rm(folder, { recursive: true, force: true }));

const onOneMachineAlone = new Set(routes.filter(({ only }) => only === "embedded").map(({ handler }) => handler));

describe("the code of every function", () => {
  for (const { handler } of functions.filter((each) => !onOneMachineAlone.has(each.handler))) {
    const file = path.join(root, "packages/functions/src", `${handler}.ts`);
    const skip = existsSync(file) ? false : "the handler is not written yet";
    it(`${handler} bundles for Lambda, and the bundle loads`, { skip }, async () => {
      const outfile = path.join(folder, `${handler.replace("/", "-")}.mjs`);
      const { metafile } = await build({
        entryPoints: [file],
        absWorkingDir: root,
        bundle: true,
        platform: "node",
        target: "node24",
        format: "esm",
        mainFields: ["module", "main"],
        banner: { js: banner },
        outfile,
        metafile: true,
        logLevel: "silent",
      });
      assert.deepEqual(
        Object.keys(metafile.inputs).filter((input) => /\.node$|@duckdb|^packages\/home\//.test(input)),
        [],
        "what the embedded home needs has no place in Lambda",
      );
      const [output] = Object.values(metafile.outputs);
      assert.ok(output !== undefined && output.bytes < mostBytes, `${output?.bytes} bytes`);
      assert.ok(!output.imports.some((each) => each.path === "node:sqlite"));
      const module = (await import(pathToFileURL(outfile).href)) as Record<string, unknown>;
      assert.equal(typeof module["handler"], "function");
    });
  }
});
