import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError, parseOptions } from "./command-line.ts";

const specs = {
  port: { kind: "integer", min: 0, max: 65_535, help: "the port" },
  data: { kind: "text", help: "the folder" },
  color: { kind: "text", help: "a colour", check: (text: string) => (text === "red" ? undefined : "is not red") },
  empty: { kind: "flag", help: "nothing" },
} as const;

test("options are read in both forms, and what is none of them is kept in order", () => {
  assert.deepEqual(parseOptions(specs, ["a", "--port", "0", "--data=x=y", "--empty", "-", "--", "--port"]), {
    values: { port: 0, data: "x=y", empty: true },
    positionals: ["a", "-", "--port"],
  });
});

test("all faults of a command line are told at once", () => {
  const faults = (args: string[]): string => {
    try {
      parseOptions(specs, args);
    } catch (error) {
      assert.ok(error instanceof UsageError);
      return error.message;
    }
    throw new Error("nothing was wrong");
  };
  const told = faults(["--port", "70000", "--colour", "--color", "blue", "--empty=1", "-x", "--data"]);
  assert.equal(told.split("\n").length, 6, told);
  for (const fault of [
    /--port .*0 to 65535; "70000"/,
    /--colour is not/,
    /--color: is not red/,
    /--empty takes no value/,
    /-x/,
    /--data needs/,
  ])
    assert.match(told, fault);
  assert.match(faults(["--port", "1e3"]), /"1e3"/);
});

test("names that every object has are no options", () => {
  assert.throws(() => parseOptions(specs, ["--constructor", "1"]), UsageError);
});
