/** A deployment that declares a source of every kind, for the tests of what comes of it. */
import { dig, evaluateStacks, type DeclaredResource, type ResourceGraph } from "./evaluate.ts";
import { lambdaOf } from "./iam.ts";

const fixture = "test/infrastructure/fixtures/sources/ebb.sources.json";
const secrets = { SST_SECRET_ShopDbPassword: "password of the shop", SST_SECRET_CrmPassword: "password of the crm" };

/** The sources of the fixture. */
export const names = ["carts", "contacts", "customers", "exported", "orders", "till_receipts"];

/** With the sources of the fixture, and with none. */
export const evaluateSources = (): Promise<[ResourceGraph, ResourceGraph]> =>
  Promise.all([
    evaluateStacks({ stage: "production", settings: { EBB_SOURCES_FILE: fixture, ...secrets } }),
    evaluateStacks({ stage: "production" }),
  ]);

/** The function of a source. */
export const loadIn = (graph: ResourceGraph, name: string): DeclaredResource =>
  lambdaOf(graph, `collect/load-source ${name}`);

export const environmentIn = (graph: ResourceGraph, name: string): Record<string, string> =>
  dig(loadIn(graph, name).inputs, "environment", "variables") as Record<string, string>;
