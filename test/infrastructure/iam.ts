/** Reads IAM policy documents out of a graph. */
import { dig, type DeclaredResource, type ResourceGraph } from "./graph.ts";

export interface PolicyStatement {
  readonly Effect: "Allow" | "Deny";
  readonly Action: string | readonly string[];
  readonly Resource?: string | readonly string[];
  readonly Principal?: Readonly<Record<string, string | readonly string[]>> | "*";
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

/** The statements of a policy, which resources take as JSON text or as an object. */
export const statementsOf = (policy: unknown): readonly PolicyStatement[] => {
  const document: unknown = typeof policy === "string" ? JSON.parse(policy) : policy;
  if (document === null || typeof document !== "object" || !("Statement" in document))
    throw new TypeError("A policy without statements.");
  return document.Statement as PolicyStatement[];
};

export const listOf = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === "string" ? [value] : value;

/** What one role may do: `actions` by action, each with the resources it reaches; and the policies AWS manages. */
export interface Permissions {
  readonly managed: readonly string[];
  readonly actions: Readonly<Record<string, readonly string[]>>;
}

/** ARNs without what is the same in all: `dynamodb:table/LedgerTable`, `s3:QuarantineBucket/quarantine/*`. */
const short = (arn: string): string =>
  arn.replace(/^arn:aws:([a-z0-9-]+):[^:]*:[^:]*:/, "$1:").replace(/^arn:aws:iam::aws:policy\//, "");

export const permissionsOf = (role: DeclaredResource): Permissions => {
  const actions = new Map<string, Set<string>>();
  for (const policy of (role.inputs["inlinePolicies"] ?? []) as { policy: string }[]) {
    for (const statement of statementsOf(policy.policy)) {
      if (statement.Effect !== "Allow") continue;
      for (const action of listOf(statement.Action)) {
        const resources = actions.get(action) ?? new Set<string>();
        for (const resource of listOf(statement.Resource)) resources.add(short(resource));
        actions.set(action, resources);
      }
    }
  }
  return {
    managed: ((role.inputs["managedPolicyArns"] ?? []) as string[]).map((arn) =>
      arn.replace("arn:aws:iam::aws:policy/", ""),
    ),
    actions: Object.fromEntries(
      [...actions].sort(([a], [b]) => (a < b ? -1 : 1)).map(([action, resources]) => [action, [...resources].sort()]),
    ),
  };
};

/** The permissions of every role of the program, by the role's logical name. */
export const allPermissions = (graph: ResourceGraph): Readonly<Record<string, Permissions>> =>
  Object.fromEntries(
    graph
      .ofType("aws:iam/role:Role")
      .map((role) => [role.name, permissionsOf(role)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );

/** The role of a declared function, through the name that it was given. */
export const roleOfFunction = (graph: ResourceGraph, logicalName: string): DeclaredResource =>
  graph.one("aws:iam/role:Role", `${logicalName}Role`);

export const lambdaOf = (graph: ResourceGraph, handler: string): DeclaredResource => {
  const found = graph
    .ofType("aws:lambda/function:Function")
    .find((each) => dig(each.inputs, "description") === `Ebb ${handler}`);
  if (found === undefined) throw new Error(`No Lambda function was declared for ${handler}.`);
  return found;
};
