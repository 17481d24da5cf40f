/** The API's description, from the routes and the event definitions: as OpenAPI 3.1, and as a page to read. */
import { createHash } from "node:crypto";
import { isKnown } from "../runtime/etag.ts";
import { type HttpEvent, type HttpHandler, header, httpHandler } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { openApiDocument } from "./openapi/document.ts";
import { docsPage } from "./openapi/page.ts";
import { pageHeaders } from "./page.ts";

// Both are the same for every request but for the address: made when first asked for, once a process.
let document: string | undefined;
let page: string | undefined;

export const make = (): HttpHandler =>
  httpHandler(async (event) => (event.rawPath.endsWith("/docs") ? docs() : description(event)));

export const handler = onAws(make);

const CACHE = { "cache-control": "public, max-age=300" };

const description = (event: HttpEvent) => {
  document ??= JSON.stringify(openApiDocument());
  const etag = `"${createHash("sha256").update(document).digest("base64url").slice(0, 22)}"`;
  if (isKnown(header(event, "if-none-match"), etag)) return { statusCode: 304, headers: { ...CACHE, etag } };
  return { statusCode: 200, headers: { ...CACHE, etag, "content-type": "application/json" }, body: document };
};

const docs = () => {
  page ??= docsPage(openApiDocument());
  return { statusCode: 200, headers: { ...CACHE, ...pageHeaders }, body: page };
};
