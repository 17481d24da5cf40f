/**
 * The child process of evaluate.ts: bundles sst.config.ts as SST does, runs it under Pulumi's mocks, and writes what was
 * declared when the event loop is empty, which is when no registration can be outstanding.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { BuildOptions, BuildResult, Plugin } from "esbuild";
import type { DeclaredApp, DeclaredResource } from "./graph.ts";
import { answerCall, arnOf, outputsOf } from "./mock-aws.ts";
import { startSstServer } from "./mock-sst-server.ts";

interface TransformationArgs {
  readonly type: string;
  readonly name: string;
  readonly opts: {
    readonly parent?: { readonly __name?: string };
    readonly protect?: boolean;
    readonly retainOnDelete?: boolean;
  };
}
/** The little of @pulumi/pulumi that is used here; it is installed under `.sst/platform`, out of the compiler's sight. */
interface Pulumi {
  readonly runtime: {
    setMocks(
      mocks: {
        newResource(args: { type: string; name: string; inputs: Record<string, unknown>; custom?: boolean }): {
          id: string;
          state: Record<string, unknown>;
        };
        call(args: { token: string; inputs: Record<string, unknown> }): Record<string, unknown>;
      },
      project: string,
      stack: string,
      preview: boolean,
    ): Promise<void>;
    runInPulumiStack(program: () => Promise<unknown>): Promise<unknown>;
    registerStackTransformation(transformation: (args: TransformationArgs) => undefined): void;
  };
}

const [root, platform, stage, work, answerFile, configFile] = process.argv.slice(2);
if (
  root === undefined ||
  platform === undefined ||
  stage === undefined ||
  work === undefined ||
  answerFile === undefined ||
  configFile === undefined
)
  throw new Error("usage: evaluate-program.ts <root> <platform> <stage> <work> <answer> <config>");

const require = createRequire(path.join(platform, "package.json"));
const { build } = require("esbuild") as { readonly build: (options: BuildOptions) => Promise<BuildResult> };
const pulumi = require("@pulumi/pulumi") as Pulumi;

/** Our own files see `aws` and `sst` as globals, as under SST. */
const globals: Plugin = {
  name: "globals",
  setup: (setup) => {
    setup.onLoad({ filter: /\.[jt]sx?$/ }, ({ path: file }) =>
      file.startsWith(root) && !file.includes("/.sst/") && !file.includes("/node_modules/")
        ? {
            contents: `import * as aws from "@pulumi/aws";\nimport * as sst from "${platform}/src/components";\n${readFileSync(file, "utf8")}`,
            loader: "ts",
          }
        : undefined,
    );
  },
};

const bundle = async (name: string, contents: string, define: Record<string, string>): Promise<unknown> => {
  // Inside the platform, so that its node_modules are found; a name a process, so that evaluations do not collide.
  const outfile = path.join(platform, `evaluate-${name}-${process.pid}.mjs`);
  outfiles.push(outfile);
  await build({
    stdin: { contents, resolveDir: root, loader: "ts" },
    bundle: true,
    format: "esm",
    platform: "node",
    mainFields: ["module", "main"],
    outfile,
    logLevel: "error",
    nodePaths: [path.join(platform, "node_modules")],
    external: ["@pulumi/*", "@pulumiverse/*", "@aws-sdk/*", "undici", "esbuild", "archiver", "glob", "vite"],
    inject: [path.join(platform, "src/shim/run.js")],
    define,
    banner: {
      js: 'import { createRequire as cr } from "module"; const require = cr(import.meta.url); import { fileURLToPath as fu, URL as U } from "url"; const __filename = fu(import.meta.url), __dirname = fu(new U(".", import.meta.url));',
    },
    plugins: [globals],
  });
  return ((await import(pathToFileURL(outfile).href)) as { default: unknown }).default;
};
const outfiles: string[] = [];

const server = await startSstServer(work);
process.env["SST_SERVER"] = server.url;

const cli = JSON.stringify({
  command: "deploy",
  dev: false,
  paths: { home: work, root, work, platform },
  state: { version: {} },
});
const config = path.join(root, configFile);

// SST asks for the app first: name, removal and providers of the stage are known before the program runs.
const input = JSON.stringify({ stage });
const declared = (await bundle("app", `import config from "${config}"; export default await config.app(${input});`, {
  $app: JSON.stringify({ name: "", stage }),
  $cli: cli,
  $dev: "false",
})) as Partial<DeclaredApp>;
const app: DeclaredApp = { name: "", removal: "retain", protect: false, providers: {}, ...declared, stage };

const { secretNames } = (await import(pathToFileURL(path.join(root, "stacks/secrets.ts")).href)) as {
  secretNames: readonly string[];
};
for (const name of secretNames) process.env[`SST_SECRET_${name}`] = `value-of-${name}`;

const resources: DeclaredResource[] = [];
const places = new Map<string, TransformationArgs["opts"]>();
let announced = 0;

await pulumi.runtime.setMocks(
  {
    newResource: ({ type, name, inputs }) => {
      // The stack itself, which Pulumi registers before anything of ours.
      if (type === "pulumi:pulumi:Stack") return { id: name, state: inputs };
      if (type === "command:local:Command") runBuild(inputs);
      const opts = places.get(`${type} ${name}`);
      const parent = opts?.parent?.__name;
      resources.push({
        type,
        name,
        inputs: withoutSecretMarks(inputs) as Record<string, unknown>,
        ...(parent !== undefined && parent !== `${app.name}-${stage}` ? { parent } : {}),
        ...(opts?.protect === true ? { protect: true } : {}),
        ...(opts?.retainOnDelete === true ? { retainOnDelete: true } : {}),
      });
      return {
        id: type === "aws:kms/key:Key" ? arnOf(type, name).split("/").at(-1)! : `${name}-id`,
        state: outputsOf(type, name, inputs),
      };
    },
    call: ({ token, inputs }) => answerCall(token, inputs),
  },
  app.name,
  stage,
  false,
);

process.once("exit", () => {
  for (const outfile of outfiles) rmSync(outfile, { force: true });
});
process.once("beforeExit", () => {
  if (finished !== true) throw new Error("The program never ended: a promise in it is never settled.");
  if (server.unknownCalls.length > 0) throw new Error(`SST's server was asked for: ${server.unknownCalls.join(", ")}.`);
  if (announced !== resources.length)
    throw new Error(
      `${announced} resources were begun and ${resources.length} registered: an input is never resolved.`,
    );
  writeFileSync(answerFile, JSON.stringify({ app, resources }));
});

/** What builds the site, as a deployment runs it: SST reads the files that come of it. @throws Error when it fails */
function runBuild(inputs: Readonly<Record<string, unknown>>): void {
  const { create, dir, environment } = inputs as { create: string; dir: string; environment: Record<string, string> };
  const { status, stdout, stderr } = spawnSync(create, {
    shell: true,
    cwd: dir,
    env: { ...process.env, ...environment },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`"${create}" failed (${status}).\n${stdout}${stderr}`);
}

let finished = false;
await pulumi.runtime.runInPulumiStack(async () => {
  pulumi.runtime.registerStackTransformation((args) => {
    announced += 1;
    places.set(`${args.type} ${args.name}`, args.opts);
    return undefined;
  });
  return bundle(
    "run",
    `import { run } from "${platform}/src/auto/run.ts"; import config from "${config}"; export default await run(config.run);`,
    { $app: JSON.stringify(app), $cli: cli, $dev: "false" },
  );
});
finished = true;

/** Pulumi wraps secret values on the wire in an object with a fixed signature; the tests want the value. */
function withoutSecretMarks(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecretMarks);
  if (value === null || typeof value !== "object") return value;
  if ("4dabf18193072939515e22adb298388d" in value && "value" in value) return withoutSecretMarks(value.value);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutSecretMarks(inner)]));
}
