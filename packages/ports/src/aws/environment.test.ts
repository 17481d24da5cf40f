import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, it } from "node:test";
import { EnvironmentError, parseEnvironment, settingsOf, variablesFor } from "./environment.ts";

const message = (call: () => unknown): string => {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof EnvironmentError);
    return error.message;
  }
  return assert.fail("nothing was thrown");
};

describe("the environment", () => {
  it("tells all malformed variables at once, without their values", () => {
    const told = message(() =>
      parseEnvironment({
        EBB_CUSTOMER_SECRET: "short-secret",
        EBB_HOOK_SECRETS: '{"x":""}',
        EBB_SETTINGS: "{not json",
        EBB_STREAM_BUCKETS: "many",
      }),
    );
    for (const name of ["EBB_CUSTOMER_SECRET", "EBB_HOOK_SECRETS.x", "EBB_SETTINGS", "EBB_STREAM_BUCKETS"]) {
      assert.ok(told.includes(`${name}: `), `${name} is missing in: ${told}`);
    }
    assert.doesNotMatch(told, /short-secret/);
  });

  it("asks a function only for the variables of the ports it uses", () => {
    const environment = parseEnvironment({ EBB_STREAM: "orders" });
    assert.match(
      message(() => variablesFor(environment, "log")),
      /"log".*EBB_LEDGER_TABLE, EBB_QUARANTINE_BUCKET/,
    );
    assert.match(
      message(() => variablesFor(environment, "keys")),
      /EBB_KEY_TABLE/,
    );
    assert.deepEqual(variablesFor(parseEnvironment({ EBB_LEDGER_TABLE: "ledger" }), "ledger"), {
      EBB_LEDGER_TABLE: "ledger",
    });
  });

  it("completes settings and adds the hook secrets", () => {
    const environment = parseEnvironment({
      EBB_SETTINGS: '{"rates":{"reportingCurrency":"GBP"}}',
      EBB_HOOK_SECRETS: '{"x":"hush"}',
    });
    assert.deepEqual(settingsOf(environment), {
      rates: { reportingCurrency: "GBP", rates: {} },
      corsOrigins: [],
      allowedProperties: [],
      allowedTraits: [],
      quality: [],
      model: {},
      hookSecrets: { x: "hush" },
    });
  });

  it("reads settings from a file where they are too large for the environment", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "ebb-environment-"));
    const file = path.join(folder, "settings.json");
    writeFileSync(file, '{"rates":{"reportingCurrency":"JPY"}}');
    assert.equal(settingsOf(parseEnvironment({ EBB_SETTINGS_FILE: file })).rates.reportingCurrency, "JPY");
    rmSync(folder, { recursive: true });
  });
});
