/** OpenAPI 3.1 of every declared route. */
import { scopes } from "@ebb/core/scopes";
import { type Auth, type Route, isKeyed, routes } from "../../declarations.ts";
import { type Operation, operations } from "./operations.ts";
import { type JsonSchema, answerSchemas, eventSchemas, ref } from "./schemas.ts";

type Requirement = Readonly<Record<string, readonly string[]>>;

/** Any one of these; the list of each is the scopes that the key must have (OpenAPI 3.1: role names, for any scheme). */
const securityOf = (auth: Auth): readonly Requirement[] => {
  if (auth === "none") return [];
  if (auth === "hook-signature") return [{ hookSignature: [] }];
  if (auth === "upload-url") return [{ uploadSignature: [] }];
  return auth.flatMap((scope): Requirement[] =>
    scope === "write"
      ? ["writeKeyBasic", "writeKeyHeader", "writeKeyQuery", "key"].map((scheme) => ({ [scheme]: [scope] }))
      : [{ key: [scope] }],
  );
};

const scopeList = Object.entries(scopes)
  .map(([name, may]) => `\`${name}\`: ${may}`)
  .join("; ");

const problemTexts: Readonly<Record<number, string>> = {
  400: "The request cannot be understood",
  401: "A valid key or signature is needed",
  403: "This key may not do that",
  404: "There is no such thing here",
  409: "The state does not allow that",
  413: "The body is too large",
  429: "More than this key may send just now; Retry-After says when; nothing was kept",
  415: "The content type or encoding is not supported",
  503: "Not possible just now; nothing was kept; send it again",
};

const operationId = (route: Route): string =>
  `${route.method.toLowerCase()}_${route.path
    .replace(/[{}]/g, "")
    .replace(/[^A-Za-z0-9]+/g, "_")
    .replace(/^_/, "")}`;

interface Answer {
  readonly description: string;
  readonly content?: Readonly<Record<string, { readonly schema: JsonSchema }>>;
}

const operationOf = (route: Route, operation: Operation) => {
  const problems = new Set([
    ...(operation.problems ?? []),
    ...(route.auth === "none" ? [] : [401, 403, 503]),
    ...(isKeyed(route.auth) ? [429] : []),
  ]);
  if (route.auth === "hook-signature") problems.delete(403);
  const path = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
  const { answer } = operation;
  const responses: Record<string, Answer> = {};
  for (const success of operation.also === undefined ? [answer] : [answer, operation.also])
    responses[success.status] = {
      description: success.text,
      ...(success.schema === undefined
        ? {}
        : {
            content: {
              [success.type ?? "application/json"]: { schema: success.schema },
              ...Object.fromEntries((operation.types ?? []).map((type) => [type, { schema: { type: "string" } }])),
            },
          }),
    };
  for (const status of problems)
    responses[status] = {
      description: problemTexts[status]!,
      content: { "application/problem+json": { schema: ref("Problem") } },
    };
  return {
    operationId: operationId(route),
    tags: [operation.tag],
    summary: operation.summary,
    ...(operation.description === undefined ? {} : { description: operation.description }),
    security: securityOf(route.auth),
    parameters: [
      ...path.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } })),
      ...Object.entries(operation.query ?? {}).map(([name, schema]) => ({ name, in: "query", schema })),
    ],
    ...(operation.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: Object.fromEntries(Object.entries(operation.body).map(([type, schema]) => [type, { schema }])),
          },
        }),
    responses,
  };
};

export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, ReturnType<typeof operationOf>>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Readonly<Record<string, unknown>>>> };
}

/** @throws Error for a declared route that has no description */
export const openApiDocument = (): OpenApiDocument => {
  const paths: Record<string, Record<string, ReturnType<typeof operationOf>>> = {};
  for (const route of routes) {
    const operation = operations[`${route.method} ${route.path}`];
    if (operation === undefined) throw new Error(`${route.method} ${route.path} has no description`);
    (paths[route.path] ??= {})[route.method.toLowerCase()] = operationOf(route, operation);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Ebb",
      version: "1",
      description:
        "Customer analytics for e-commerce. Events come in by the Segment HTTP Tracking API with the names of the E-commerce Spec v2, files by upload; customers, ledger and quarantine are read back. Fields marked `x-personal` never reach the stream or the lake.",
    },
    ...({ servers: [{ url: "/" }] } as object),
    paths,
    components: {
      schemas: { ...answerSchemas, ...eventSchemas() },
      ...({
        securitySchemes: {
          writeKeyBasic: { type: "http", scheme: "basic", description: "The write key as user name, no password" },
          writeKeyHeader: { type: "apiKey", in: "header", name: "X-Write-Key" },
          writeKeyQuery: { type: "apiKey", in: "query", name: "writeKey" },
          key: {
            type: "http",
            scheme: "bearer",
            description: `A key with the scope that the operation names. ${scopeList}.`,
          },
          hookSignature: {
            type: "apiKey",
            in: "header",
            name: "X-Hub-Signature-256",
            description: "sha256= and the HMAC-SHA-256 of the body under the hook's secret, in hex",
          },
          uploadSignature: { type: "apiKey", in: "query", name: "signature" },
        },
      } as object),
    },
  };
};
