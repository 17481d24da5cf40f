/** What SST would upload for each handler: it must bundle, load nothing native, and stay small enough to start fast. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { build, type BuildResult } from "esbuild";
import { functions, routes } from "@ebb/functions/declarations";

const root = path.resolve(import.meta.dirname, "../..");
/** Lambda takes 50 MB zipped; beyond a few megabytes of code a cold start is felt. */
const mostBytes = 6_000_000;
/** SST puts the same before its bundles: CommonJS packages inside an ES module ask for these. */
const banner =
  'import { createRequire as topLevelRequire } from "module"; const require = topLevelRequire(import.meta.url); import { fileURLToPath as topLevelPath, URL as TopLevelUrl } from "url"; const __filename = topLevelPath(import.meta.url), __dirname = topLevelPath(new TopLevelUrl(".", import.meta.url));';

const source = (handler: string): string => `packages/functions/src/${handler}.ts`;
const written = (handler: string): boolean => existsSync(path.join(root, source(handler)));
const onOneMachineAlone = new Set(routes.filter(({ only }) => only === "embedded").map(({ handler }) => handler));
const inLambda = functions.map(({ handler }) => handler).filter((handler) => !onOneMachineAlone.has(handler));

let folder: string;
let metafile: NonNullable<BuildResult["metafile"]>;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "ebb-bundles-"));
  ({ metafile } = await build({
    entryPoints: inLambda.filter(written).map((handler) => ({ in: source(handler), out: handler })),
    absWorkingDir: root,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    mainFields: ["module", "main"],
    banner: { js: banner },
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    metafile: true,
    logLevel: "silent",
  }));
});
after(() => rm(folder, { recursive: true, force: true }));

describe("the code of every function", () => {
  for (const handler of inLambda) {
    const skip = written(handler) ? false : "the handler is not written yet";
    it(`${handler} bundles for Lambda, and the bundle loads`, { skip }, async () => {
      const output = Object.values(metafile.outputs).find(({ entryPoint }) => entryPoint === source(handler));
      assert.ok(output !== undefined);
      assert.ok(output.bytes < mostBytes, `${output.bytes} bytes`);
      assert.deepEqual(
        Object.keys(output.inputs).filter((input) => /\.node$|@duckdb|^packages\/home\//.test(input)),
        [],
        "what the embedded home needs has no place in Lambda",
      );
      assert.ok(!output.imports.some((each) => each.path === "node:sqlite"));
      const module = (await import(pathToFileURL(path.join(folder, `${handler}.mjs`)).href)) as Record<string, unknown>;
      assert.equal(typeof module["handler"], "function");
    });
  }
});
