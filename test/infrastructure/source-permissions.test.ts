/**
 * Least privilege of sources. What each function may do is a committed table; after an intended change:
 * EBB_WRITE_PERMISSIONS=1 node --test test/infrastructure/source-permissions.test.ts
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { dig, type DeclaredResource, type ResourceGraph } from "./evaluate.ts";
import { allPermissions, lambdaOf, listOf, statementsOf, type Permissions } from "./iam.ts";
import { environmentIn, evaluateSources, loadIn, names } from "./source-stack.ts";

const tableFile = path.join(import.meta.dirname, "source-permissions.json");

let graph: ResourceGraph;
let without: ResourceGraph;
let actual: Record<string, Permissions>;
before(async () => {
  [graph, without] = await evaluateSources();
  const others = allPermissions(without);
  actual = Object.fromEntries(Object.entries(allPermissions(graph)).filter(([role]) => !(role in others)));
  if (process.env["EBB_WRITE_PERMISSIONS"] === "1") writeFileSync(tableFile, `${JSON.stringify(actual, null, 2)}\n`);
});

const loadOf = (name: string): DeclaredResource => loadIn(graph, name);

describe("least privilege of sources", () => {
  it("every role may do what the committed table says, no more and no less", () => {
    assert.deepEqual(actual, JSON.parse(readFileSync(tableFile, "utf8")));
  });

  const allowedEverywhere = new Set(["xray:PutTraceSegments", "xray:PutTelemetryRecords"]);
  it("no action is a wildcard, and a resource has one only at its end, under a prefix", () => {
    for (const [role, { actions, managed }] of Object.entries(actual)) {
      for (const [action, resources] of Object.entries(actions)) {
        assert.doesNotMatch(action, /\*/, role);
        for (const resource of resources)
          if (!allowedEverywhere.has(action))
            assert.match(resource, /^[^*]+(?:\/(?:(?:ebb_)?source_)?\*)?$/, `${role}: ${action} on ${resource}`);
      }
      for (const policy of managed)
        assert.match(policy, /^service-role\/AWSLambda(?:Basic|VPCAccess)ExecutionRole$/, role);
    }
  });

  it("a role is the function's or the scheduler's own", () => {
    for (const { name, inputs } of graph.ofType("aws:iam/role:Role").filter((role) => role.name in actual)) {
      const [statement] = statementsOf(inputs["assumeRolePolicy"]);
      const principal = statement!.Principal as Readonly<Record<string, string>>;
      const service = name.endsWith("ClockRole") ? "scheduler.amazonaws.com" : "lambda.amazonaws.com";
      assert.deepEqual(listOf(principal["Service"]), [service], name);
    }
  });

  it("a function reads the source that it is for, and no other", () => {
    const reaches = (name: string, what: RegExp): boolean =>
      Object.values(actual[loadOf(name).name.replace(/Function$/, "Role")]!.actions)
        .flat()
        .some((resource) => what.test(resource));
    const holders = (what: RegExp): string[] => names.filter((name) => reaches(name, what));
    assert.deepEqual(holders(/table\/shop-orders/), ["carts"]);
    assert.deepEqual(holders(/table\/shop-products/), ["exported"]);
    assert.deepEqual(holders(/shop-exports/), ["exported"]);
    assert.deepEqual(holders(/shop-drops/), ["till_receipts"]);
    assert.deepEqual(holders(/UploadFilesBucket/), ["till_receipts"]);
    assert.deepEqual(
      holders(/ProfilesTable/),
      names.filter((name) => name !== "till_receipts"),
    );
  });

  it("every call of the adapter of its store is allowed", () => {
    const text = readFileSync(
      path.resolve(import.meta.dirname, "../../packages/ports/src/aws/source-store.ts"),
      "utf8",
    );
    const called = new Set([...text.matchAll(/new (\w+)Command\(/g)].map(([, command]) => `dynamodb:${command!}`));
    for (const name of names) {
      const { actions } = actual[loadOf(name).name.replace(/Function$/, "Role")]!;
      for (const action of called)
        assert.ok(actions[action]?.includes("dynamodb:table/SourcesTable"), `${name}: ${action}`);
    }
  });
});

/** What a role may do where sources are declared, and may not where none is. */
const addedTo = (handler: string): string[] => {
  const role = lambdaOf(graph, handler).name.replace(/Function$/, "Role");
  const before = allPermissions(without)[role]!.actions;
  return Object.entries(allPermissions(graph)[role]!.actions)
    .flatMap(([action, resources]) =>
      resources.filter((resource) => !before[action]?.includes(resource)).map((resource) => `${action} ${resource}`),
    )
    .sort();
};

describe("who is told what sources have told", () => {
  it("knows what is declared and where each source stands, and may read that and no more", () => {
    const table = ["dynamodb:GetItem dynamodb:table/SourcesTable", "s3:GetObject s3:LakeBucket/sources/tables/*"];
    const added: Record<string, string[]> = {
      "model/run-model": [
        "dynamodb:GetItem dynamodb:table/SourcesTable",
        "dynamodb:Query dynamodb:table/SourcesTable",
        "s3:GetObject s3:LakeBucket/sources/tables/*",
      ],
      "serve/quality": ["dynamodb:Query dynamodb:table/SourcesTable"],
      "serve/catalogue": [
        "dynamodb:GetItem dynamodb:table/SourcesTable",
        "s3:GetObject s3:LakeBucket/sources/tables/*",
        "s3:ListBucket s3:LakeBucket",
      ],
      // They ask Athena already, and so look into the bucket.
      "serve/customer-timeline": table,
      "serve/customer-export": table,
    };
    for (const [handler, allowed] of Object.entries(added)) {
      const environment = dig(lambdaOf(graph, handler).inputs, "environment", "variables") as Record<string, string>;
      assert.equal(environment["EBB_SOURCES_FILE"], "ebb.sources.json", handler);
      assert.equal(environment["EBB_SOURCE_TABLE"], environmentIn(graph, "orders")["EBB_SOURCE_TABLE"], handler);
      assert.deepEqual(addedTo(handler), allowed, handler);
      const alone = dig(lambdaOf(without, handler).inputs, "environment", "variables") as Record<string, string>;
      assert.equal(alone["EBB_SOURCES_FILE"], undefined, handler);
    }
  });
});
