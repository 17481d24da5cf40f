/** Schemathesis against a running home, by its own description: nothing is a fault of the server, every answer conforms. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { type Home, startHome } from "@ebb/home/home";
import { pythonEnvironment } from "../support/python-environment.ts";
import { shopBatch } from "../support/shop-batch.ts";

const EXAMPLES = "25";

let folder: string;
let home: Home;
let python: string;
before(async () => {
  ({ python } = await pythonEnvironment({
    name: "schemathesis",
    packages: ["schemathesis==4.32.5"],
    cost: "40 MB, half a minute",
  }));
  folder = await mkdtemp(path.join(tmpdir(), "ebb-api-"));
  home = await startHome({ folder, port: 0, currency: "EUR" });
  const sent = await fetch(`${home.url}/v1/batch`, {
    method: "POST",
    headers: { authorization: `Bearer ${home.writeKey}`, "content-type": "application/json" },
    body: shopBatch(),
  });
  assert.equal(sent.status, 200);
  await home.settled();
  await home.flushLake();
  const runId = await home.beginRun({ asOf: "2026-07-20", startedBy: "command" });
  assert.equal((await home.runEnded(runId))?.state, "succeeded");
});
after(async () => {
  await home?.close();
  await rm(folder, { recursive: true, force: true });
});

const schemathesis = async (key: string, ...args: readonly string[]): Promise<void> => {
  const child = spawn(
    python,
    [
      ...["-m", "schemathesis.cli", "run", `${home.url}/v1/openapi.json`],
      ...["--header", `Authorization: Bearer ${key}`, "--max-examples", EXAMPLES, "--seed", "1"],
      ...["--generation-database", "none", "--no-color", "--request-timeout", "30", ...args],
    ],
    { cwd: folder, env: { ...process.env, PYTHONUTF8: "1" } },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  const [code] = (await once(child, "close")) as [number | null];
  assert.equal(code, 0, output);
};

test("reading: no server error, and status, content type and body are as described", async () => {
  await schemathesis(
    home.readKey,
    ...["--include-method", "GET", "--phases", "examples,coverage,fuzzing"],
    ...["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"],
  );
});

test("sending: whatever arrives, it is no server error", async () => {
  await schemathesis(
    home.writeKey,
    ...["--exclude-method", "GET", "--phases", "examples,fuzzing", "--checks", "not_a_server_error"],
  );
});
