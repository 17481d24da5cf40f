/** Everything that packages/functions/src/declarations.ts declares exists in AWS, and nothing else does. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import {
  failedRecordsJob,
  functions,
  isKeyed,
  landConsumer,
  routes,
  scoreConsumer,
  uploadJob,
} from "@ebb/functions/declarations";
import { parseEnvironment, variablesOf, type ConfiguredPort } from "@ebb/ports/aws/environment";
import { dig, evaluateStacks, type ResourceGraph } from "./evaluate.ts";
import { lambdaOf } from "./iam.ts";

let graph: ResourceGraph;
before(async () => {
  graph = await evaluateStacks({ stage: "production" });
});

const root = path.resolve(import.meta.dirname, "../..");
const handlerFile = (handler: string): string => path.join(root, "packages/functions/src", `${handler}.ts`);
/** Without handlers of routes that only the embedded home has, and those of sources: none is declared here (sources.test.ts). */
const inAws = functions.filter(
  ({ handler, each }) =>
    each === undefined &&
    (!routes.some((route) => route.handler === handler) ||
      routes.some((route) => route.handler === handler && route.only !== "embedded")),
);

describe("every declared route", () => {
  it("exists in API Gateway once, and no other does", () => {
    const declared = routes.filter((route) => route.only !== "embedded").map(({ method, path }) => `${method} ${path}`);
    const existing = graph.ofType("aws:apigatewayv2/route:Route").map(({ inputs }) => inputs["routeKey"]);
    assert.deepEqual(existing.sort(), declared.sort());
  });

  it("leads to its handler's function, which API Gateway may invoke", () => {
    const integrations = new Map(
      graph
        .ofType("aws:apigatewayv2/integration:Integration")
        .map(({ name, inputs }) => [`integrations/${name}-id`, inputs]),
    );
    for (const route of routes.filter(({ only }) => only !== "embedded")) {
      const { inputs } = graph
        .ofType("aws:apigatewayv2/route:Route")
        .find((each) => each.inputs["routeKey"] === `${route.method} ${route.path}`)!;
      const integration = integrations.get(String(inputs["target"]));
      assert.ok(integration !== undefined, route.path);
      const arn = `arn:aws:lambda:us-east-1:123456789012:function:${lambdaOf(graph, route.handler).name}`;
      assert.equal(integration["integrationUri"], arn);
      // The handlers read API Gateway's second payload format.
      assert.equal(integration["payloadFormatVersion"], "2.0");
      const permitted = graph
        .ofType("aws:lambda/permission:Permission")
        .filter((each) => each.inputs["function"] === arn && each.inputs["principal"] === "apigateway.amazonaws.com");
      assert.equal(permitted.length, 1, route.path);
    }
  });
});

describe("every declared function", () => {
  it("exists in AWS once, as declared, on Node 24 and arm64, and no other does", () => {
    const existing = graph.ofType("aws:lambda/function:Function").map(({ inputs }) => inputs["description"]);
    assert.deepEqual(existing.sort(), inAws.map(({ handler }) => `Ebb ${handler}`).sort());
    for (const { handler, memoryMb, timeoutSeconds } of inAws) {
      const { inputs } = lambdaOf(graph, handler);
      assert.equal(inputs["memorySize"], memoryMb, handler);
      assert.equal(inputs["timeout"], timeoutSeconds, handler);
      assert.equal(inputs["runtime"], "nodejs24.x", handler);
      assert.deepEqual(inputs["architectures"], ["arm64"], handler);
    }
  });

  it("answers within API Gateway's 30 seconds where it serves a route", () => {
    for (const { handler, timeoutSeconds } of inAws)
      if (routes.some((route) => route.handler === handler)) assert.ok(timeoutSeconds < 30, handler);
  });

  for (const { handler } of inAws) {
    const file = handlerFile(handler);
    const missing = existsSync(file) ? false : `${path.relative(root, file)} is not written yet`;
    it(`${handler} has a file that exports make and handler`, { skip: missing }, async () => {
      const module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
      assert.equal(typeof module["make"], "function");
      assert.equal(typeof module["handler"], "function");
    });
  }

  it("is built from the handler's own file", () => {
    for (const { handler } of inAws)
      assert.equal(lambdaOf(graph, handler).inputs["handler"], `packages/functions/src/${handler}.handler`);
  });
});

describe("every consumer and job", () => {
  it("has the function of its handler behind it", () => {
    const arn = (handler: string): string =>
      `arn:aws:lambda:us-east-1:123456789012:function:${lambdaOf(graph, handler).name}`;
    assert.equal(
      graph.one("aws:lambda/eventSourceMapping:EventSourceMapping").inputs["functionName"],
      arn(scoreConsumer.handler),
    );
    const delivery = graph.one("aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream");
    assert.deepEqual(
      dig(delivery.inputs, "extendedS3Configuration", "processingConfiguration", "processors", 0, "parameters", 0),
      { parameterName: "LambdaArn", parameterValue: `${arn(landConsumer.handler)}:$LATEST` },
    );
    assert.deepEqual(
      graph
        .ofType("aws:s3/bucketNotification:BucketNotification")
        .map(({ inputs }) => dig(inputs, "lambdaFunctions", 0, "lambdaFunctionArn"))
        .sort(),
      [uploadJob, failedRecordsJob].map(({ handler }) => arn(handler)).sort(),
    );
  });
});

/** The environment of a function as Lambda would set it; secrets in a form that parses. */
const environmentOf = (handler: string): Record<string, string> => ({
  ...(dig(lambdaOf(graph, handler).inputs, "environment", "variables") as Record<string, string>),
});
const secretForms: Readonly<Record<string, string>> = {
  EBB_CUSTOMER_SECRET: "a secret of at least thirty-two characters",
  EBB_SUPPRESSION_SECRET: "a secret of at least thirty-two characters",
  EBB_HOOK_SECRETS: "{}",
};

describe("the environment of every function", () => {
  it("is well-formed by the parser that the function itself runs", () => {
    for (const { handler } of inAws) {
      const environment = environmentOf(handler);
      for (const name of Object.keys(environment))
        if (secretForms[name] !== undefined) environment[name] = secretForms[name];
      assert.doesNotThrow(() => parseEnvironment(environment), handler);
    }
  });

  for (const { handler } of inAws) {
    const file = handlerFile(handler);
    const missing = existsSync(file) ? false : "the handler is not written yet";
    it(`${handler} has all names of the ports that its code touches`, { skip: missing }, () => {
      const environment = environmentOf(handler);
      for (const port of portsTouched(file))
        for (const name of variablesOf[port]) assert.ok(environment[name] !== undefined, `${port} needs ${name}`);
    });
  }

  it("holds the key ring wherever a route asks for a key, and the handler's code looks at it", () => {
    const keyed = new Set(
      routes
        .filter(({ auth, only }) => only !== "embedded" && isKeyed(auth))
        .map(({ handler }) => handler)
        .filter((handler) => existsSync(handlerFile(handler))),
    );
    for (const handler of keyed) {
      assert.ok(environmentOf(handler)["EBB_KEY_TABLE"] !== undefined, handler);
      assert.ok(portsTouched(handlerFile(handler)).includes("keys"), `${handler} answers without looking at a key`);
    }
  });

  it("names stores that exist", () => {
    const stores = new Set(
      ["aws:kinesis/stream:Stream", "aws:dynamodb/table:Table", "aws:s3/bucket:Bucket"].flatMap((type) =>
        graph.ofType(type).map(({ name }) => name),
      ),
    );
    for (const { handler } of inAws)
      for (const [name, value] of Object.entries(environmentOf(handler)))
        if (/^EBB_.*_(?:TABLE|BUCKET)$|^EBB_STREAM$/.test(name)) assert.ok(stores.has(value), `${handler}: ${name}`);
    assert.equal(
      environmentOf("collect/uploads")["EBB_PROCESS_UPLOAD_FUNCTION"],
      lambdaOf(graph, "collect/process-upload").inputs["name"],
    );
  });

  it("stays below the 4 KB that Lambda gives it", () => {
    for (const { handler } of inAws) {
      const bytes = Object.entries(environmentOf(handler)).reduce(
        (sum, [name, value]) => sum + name.length + value.length,
        0,
      );
      assert.ok(bytes < 2048, `${handler}: ${bytes} bytes before any real key`);
    }
  });
});

/**
 * The ports that a handler's `make` names in the type of its parameter, `Pick<Ports, "keys" | …>`, directly or by an
 * alias: the compiler sees to it that its code touches no other.
 */
const portsTouched = (file: string): readonly ConfiguredPort[] => {
  const text = readFileSync(file, "utf8");
  const named = /export const make =\s+\((?:ports|\{[^}]*\}): (Pick<\s*Ports,[^>]*>|\w+)[,)]/.exec(text)?.[1];
  if (named === undefined) {
    // A handler without ports: `make = () => …`.
    assert.ok(/export const make =\s+\(\)/.test(text), `${file}: make must name the ports it touches`);
    return [];
  }
  const picked = named.startsWith("Pick<") ? named : aliasIn(file, named);
  assert.ok(picked !== undefined, `${file}: ${named} is not a Pick<Ports, …>`);
  return (Object.keys(variablesOf) as ConfiguredPort[]).filter((port) => picked.includes(`"${port}"`));
};

const aliasIn = (file: string, alias: string): string | undefined => {
  const text = readFileSync(file, "utf8");
  const here = new RegExp(`(?:type ${alias} =|interface ${alias} extends) (Pick<\\s*Ports,[^>]*>)`).exec(text)?.[1];
  if (here !== undefined) return here;
  const wider = new RegExp(`interface ${alias} extends (\\w+)`).exec(text)?.[1];
  if (wider !== undefined) return aliasIn(file, wider);
  const from = new RegExp(`\\b${alias}\\b[^;]*from "(\\.[^"]+)"`).exec(text)?.[1];
  return from === undefined ? undefined : aliasIn(path.resolve(path.dirname(file), from), alias);
};
