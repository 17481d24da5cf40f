import { functions, routes, type Need } from "@ebb/functions/declarations";
import { variablesOf, type ConfiguredPort, type Variable } from "@ebb/ports/aws/environment";
import { secretNames, type SecretName } from "../secrets.ts";
import {
  eraseName,
  grants,
  lakeBucket,
  portOf,
  processUploadName,
  statementsOf,
  storeVariables,
  type Grant,
} from "../shared.ts";
import { dataKey } from "./keys.ts";
import { logRetention, metricsNamespace, settingsFile, settingsJson } from "./settings.ts";

const secrets = Object.fromEntries(
  secretNames.map((name) => [name, new sst.Secret(name, name === "HookSecrets" ? "{}" : undefined)]),
) as Record<SecretName, sst.Secret>;

/** Where a function's code finds the settings that travel with it. */
const packedSettings = "ebb-settings.json";

const configuration: Readonly<Partial<Record<Variable | "EBB_SETTINGS_FILE", $util.Input<string>>>> = {
  EBB_CUSTOMER_SECRET: secrets.CustomerSecret.value,
  EBB_SUPPRESSION_SECRET: secrets.SuppressionSecret.value,
  EBB_HOOK_SECRETS: secrets.HookSecrets.value,
  ...(settingsFile === "" ? { EBB_SETTINGS: settingsJson } : { EBB_SETTINGS_FILE: packedSettings }),
};

/**
 * Ports of configuration, which are no `needs` because they reach no service: the pseudonyms' secret to whoever turns a producer's id into a key, settings to whoever reads events.
 * test/infrastructure/declarations.test.ts compares this with what the handlers' code touches.
 */
const configuredPorts: Readonly<Record<string, readonly ConfiguredPort[]>> = {
  "collect/events": ["pseudonyms", "settings"],
  "collect/social": ["pseudonyms", "settings"],
  "collect/uploads": ["settings"],
  "collect/process-upload": ["pseudonyms", "settings"],
  "collect/replay-quarantined": ["pseudonyms", "settings"],
  "model/run-model": ["settings"],
  "serve/customer": ["pseudonyms", "settings"],
  "serve/customer-export": ["pseudonyms", "settings"],
  "serve/erasures": ["pseudonyms"],
  "serve/erase-customers": ["receipts"],
  "serve/sales": ["settings"],
  "serve/products": ["settings"],
  "serve/customers": ["settings"],
  "serve/customer-timeline": ["pseudonyms", "settings"],
  "serve/segments": ["settings"],
  "serve/quality": ["settings"],
  "serve/churn": ["settings"],
  "serve/model": ["settings"],
};

/** Which variables a function gets: those of the ports it uses and no others. */
const variables = (handler: string, ports: readonly ConfiguredPort[]): (Variable | "EBB_SETTINGS_FILE")[] => [
  ...ports
    .flatMap((port): readonly (Variable | "EBB_SETTINGS_FILE")[] => variablesOf[port])
    .map((name) => (name === "EBB_SETTINGS" && settingsFile !== "" ? "EBB_SETTINGS_FILE" : name)),
  ...(routes.some((route) => route.handler === handler && route.auth === "hook-signature")
    ? (["EBB_HOOK_SECRETS"] as const)
    : []),
];

/** `score/fold-orders` → `ScoreFoldOrders`. */
export const logicalName = (handler: string): string =>
  handler.replace(/(^|[/-])([a-z])/g, (_match, _separator: string, letter: string) => letter.toUpperCase());

/** `till_receipts` → `TillReceipts`, `SHOP_DB` → `ShopDb`. */
export const wordsOf = (name: string): string =>
  name
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== "")
    .map((word) => `${word[0]!.toUpperCase()}${word.slice(1).toLowerCase()}`)
    .join("");

/**
 * X-Ray takes no resource in a policy, so this is the one wildcard that a function of ours has of its own.
 * (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html)
 */
const tracing: Grant = { actions: ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], resources: ["*"] };

/** Values that only one stack knows. */
export type OwnVariables = Readonly<Partial<Record<Variable | "EBB_SETTINGS_FILE", $util.Input<string>>>>;

/** Objects of the model stage (models, reports) lie in the lake, where nothing expires; those of others with the uploads. */
const documentsIn = (needs: readonly Need[]): OwnVariables => {
  const documents = needs.some((need) => need.startsWith("documents:"));
  if (documents && needs.some((need) => need.startsWith("objects:")))
    throw new Error("A function cannot have both the objects of uploads and the documents of the model stage.");
  return documents ? { EBB_UPLOAD_BUCKET: lakeBucket.name } : {};
};

/** Variables and files that a function's code reads besides those of its ports. */
export interface Beside {
  readonly environment: Readonly<Record<string, $util.Input<string>>>;
  readonly copyFiles: readonly { readonly from: string; readonly to: string }[];
}

/** One of several functions that have the same handler. */
export interface OneOf extends Beside {
  /** What it is of: part of its names. */
  readonly of: string;
  readonly functionName: string;
  /** Those of the declared needs that it has. */
  readonly needs: readonly Need[];
  /** Ports of configuration. */
  readonly configured: readonly ConfiguredPort[];
  readonly vpc?: { readonly privateSubnets: string[]; readonly securityGroups: $util.Input<string>[] } | undefined;
}

const assumedByLambda = aws.iam.assumeRolePolicyForPrincipal({ Service: "lambda.amazonaws.com" });

/** What a function of ours is made of, whether it is a plain one or a workflow. */
const argsOf = (handler: string, more: readonly Grant[], own: OwnVariables, one?: OneOf, beside?: Beside) => {
  const declared = functions.find((each) => each.handler === handler);
  if (declared === undefined) throw new Error(`No function is declared for the handler ${handler}.`);
  const needs = one?.needs ?? declared.needs;
  const ports = [...needs.map((need) => portOf[need]), ...(one?.configured ?? configuredPorts[handler] ?? [])];
  const environment: Record<string, $util.Input<string>> = { EBB_METRICS_NAMESPACE: metricsNamespace };
  for (const name of new Set(variables(handler, ports))) {
    const value =
      own[name] ??
      documentsIn(needs)[name] ??
      configuration[name] ??
      (name === "EBB_SETTINGS_FILE" ? undefined : storeVariables[name]);
    if (value === undefined) throw new Error(`${handler} needs ${name}, which no stack sets.`);
    environment[name] = value;
  }
  return {
    declared,
    handler: `packages/functions/src/${handler}.handler`,
    description: `Ebb ${handler}${one === undefined ? "" : ` ${one.of}`}`,
    runtime: "nodejs24.x" as const,
    architecture: "arm64" as const,
    memory: `${declared.memoryMb} MB` as const,
    environment: { ...environment, ...(one ?? beside)?.environment },
    copyFiles: [
      ...(settingsFile === "" || !("EBB_SETTINGS_FILE" in environment)
        ? []
        : [{ from: settingsFile, to: packedSettings }]),
      ...((one ?? beside)?.copyFiles ?? []),
    ] as { from: string; to: string }[],
    ...(one?.vpc === undefined ? {} : { vpc: one.vpc }),
    permissions: statementsOf([...needs.flatMap((need) => grants[need]), ...more, tracing]),
    logging: { format: "json" as const, retention: logRetention },
    transform: {
      function: { kmsKeyArn: dataKey.arn, tracingConfig: { mode: "Active" } },
      logGroup: { kmsKeyId: dataKey.arn },
      // SST's default lets every principal of the account take on the role, which only `sst dev` needs: there the code
      // runs on the developer's machine with the function's rights.
      ...($dev ? {} : { role: { assumeRolePolicy: assumedByLambda } }),
    },
  } as const;
};

/** The Lambda function of a declared handler, with exactly what its `needs` stand for and `more`. */
export const lambdaOf = (
  handler: string,
  more: readonly Grant[] = [],
  own: OwnVariables = {},
  one?: OneOf,
  beside?: Beside,
): sst.aws.Function => {
  const { declared, ...args } = argsOf(handler, more, own, one, beside);
  return new sst.aws.Function(`${logicalName(handler)}${one === undefined ? "" : wordsOf(one.of)}`, {
    ...args,
    ...(handler === "collect/process-upload" ? { name: processUploadName } : {}),
    ...(one === undefined ? {} : { name: one.functionName }),
    timeout: `${declared.timeoutSeconds} seconds`,
  });
};

/** A declared handler as a durable function: it runs in pieces, and its steps are remembered. */
export const workflowOf = (
  handler: string,
  executionTimeoutSeconds: number,
  more: readonly Grant[] = [],
  own: OwnVariables = {},
  beside?: Beside,
): sst.aws.Workflow => {
  const {
    declared,
    transform: { logGroup, ...transform },
    ...args
  } = argsOf(handler, more, own, undefined, beside);
  return new sst.aws.Workflow(logicalName(handler), {
    ...args,
    ...(handler === "serve/erase-customers" ? { name: eraseName } : {}),
    retention: "30 days",
    timeout: {
      invocation: `${declared.timeoutSeconds / 60} minutes` as `${number} minutes`,
      execution: `${executionTimeoutSeconds / 3600} hours` as `${number} hours`,
    },
    transform: { function: { ...transform, logGroup } },
  });
};
