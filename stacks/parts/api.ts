import { exposedHeaders, functions, routes, type Need, type Route } from "@ebb/functions/declarations";
import type { Grant } from "../shared.ts";
import { alarm } from "./alarm.ts";
import { lambdaOf, logicalName, type Beside, type OwnVariables } from "./function.ts";
import { dataKey } from "./keys.ts";
import { corsOrigins, logRetention, requestBurst, requestsPerSecond } from "./settings.ts";

/**
 * Headers that the browser SDKs of Segment, RudderStack and Jitsu send. Listed by name: `*` in
 * Access-Control-Allow-Headers does not stand for Authorization (Fetch standard, section 3.3.3).
 */
const sdkHeaders = [
  "authorization",
  "content-type",
  "content-encoding",
  "anonymousid",
  "x-write-key",
  "x-enable-functions",
];

/**
 * Jitsu's browser SDK sends `credentials: "include"`, for which API Gateway refuses the origin `*` but echoes an origin
 * that matches a scheme's pattern. Nothing here is authorised by a cookie, so that gives a foreign page no right; the
 * embedded home answers the same.
 */
const originPatterns = corsOrigins.flatMap((origin) => (origin === "*" ? ["https://*", "http://*"] : [origin]));

/**
 * SST's default also logs path, address and user agent. A path here may hold a customer's id or a write key, and an
 * address is personal: the route stands for the path, and the rest is left out.
 */
const accessLogFields = {
  requestTime: "$context.requestTime",
  requestId: "$context.requestId",
  routeKey: "$context.routeKey",
  status: "$context.status",
  responseLatency: "$context.responseLatency",
  responseLength: "$context.responseLength",
  integrationStatus: "$context.integration.status",
  integrationLatency: "$context.integration.latency",
  integrationError: "$context.integration.error",
};

export const api = new sst.aws.ApiGatewayV2("Api", {
  cors:
    corsOrigins.length === 0
      ? false
      : {
          allowOrigins: originPatterns,
          allowCredentials: true,
          allowMethods: [
            ...new Set(routes.filter(({ only }) => only !== "embedded").map(({ method }) => method)),
            "OPTIONS",
          ],
          allowHeaders: sdkHeaders,
          exposeHeaders: exposedHeaders,
          maxAge: "1 hour",
        },
  accessLog: { retention: logRetention },
  transform: {
    stage: (args) => {
      args.defaultRouteSettings = {
        throttlingRateLimit: requestsPerSecond,
        throttlingBurstLimit: requestBurst,
        detailedMetricsEnabled: true,
      };
      args.accessLogSettings = $output(args.accessLogSettings).apply((settings) => ({
        destinationArn: settings!.destinationArn,
        format: JSON.stringify(accessLogFields),
      }));
      return undefined;
    },
    logGroup: { kmsKeyId: dataKey.arn },
  },
});

alarm("api-server-errors", {
  todo: "Find the failing route in the access log, then its function's log: every 5xx is a fault of ours.",
  metric: { namespace: "AWS/ApiGateway", metricName: "5xx", dimensions: { ApiId: api.nodes.api.id }, statistic: "Sum" },
  above: 5,
});

/** Routes that AWS serves: all but those that stand in for S3. */
export const routesInAws: readonly Route[] = routes.filter((route) => route.only !== "embedded");

/** `GET /v1/uploads/{id}` → `Route-GET-v1-uploads-id`; a path that ends in a slash is another route than one that does not. */
const routeName = ({ method, path }: Route): string =>
  `Route-${method}${path.replace(/[{}]/g, "").replace(/\/$/, "/slash").replaceAll("/", "-")}`;

/** What a need stands for besides the stores of stacks/shared.ts. */
export type Supplies = Readonly<
  Partial<Record<Need, { readonly grants: readonly Grant[]; readonly variables: OwnVariables }>>
>;

/** What single handlers have besides their needs. */
export type Besides = Readonly<Record<string, { readonly grants: readonly Grant[]; readonly beside: Beside }>>;

/**
 * Declares every function and route of a stage. The first route of a handler brings its integration and its permission;
 * the others point to the same ones, so that a handler with twenty routes does not fill its 20 KB resource policy.
 */
export const serveRoutes = (stage: "collect" | "serve", supplies: Supplies = {}, besides: Besides = {}): void => {
  const byHandler = Map.groupBy(
    routesInAws.filter((route) => route.handler.startsWith(`${stage}/`)),
    (route) => route.handler,
  );
  for (const [handler, [first, ...others]] of byHandler) {
    if (first === undefined) continue;
    const needs = functions.find((each) => each.handler === handler)?.needs ?? [];
    const supplied = needs.flatMap((need) => supplies[need] ?? []);
    const grants = [...supplied.flatMap((each) => each.grants), ...(besides[handler]?.grants ?? [])];
    const variables = Object.assign({}, ...supplied.map((each) => each.variables)) as OwnVariables;
    const made = lambdaOf(handler, grants, variables, undefined, besides[handler]?.beside);
    const { integration } = api.route(`${first.method} ${first.path}`, made.arn, { name: logicalName(handler) }).nodes;
    for (const route of others) {
      new aws.apigatewayv2.Route(routeName(route), {
        apiId: api.nodes.api.id,
        routeKey: `${route.method} ${route.path}`,
        target: $interpolate`integrations/${integration.id}`,
      });
    }
  }
};
