/** Cross-origin answers by setting, as API Gateway's own CORS configuration gives them. */
import type { IncomingHttpHeaders } from "node:http";
import { exposedHeaders } from "@ebb/functions/declarations";

const MAX_AGE_SECONDS = "7200"; // the longest that Chromium honours

/**
 * The origin is echoed, with credentials allowed, because some browser SDKs (Jitsu's) send `credentials: "include"`,
 * for which `*` is refused. Nothing here is authorised by a cookie, so that gives a foreign page no right.
 */
export const corsHeaders = (origins: readonly string[], origin: string | undefined): Record<string, string> => {
  if (origin === undefined || !(origins.includes("*") || origins.includes(origin))) return {};
  return {
    "access-control-allow-origin": origin,
    "access-control-allow-credentials": "true",
    "access-control-expose-headers": exposedHeaders.join(", "),
    vary: "origin",
  };
};

/** The answer to a preflight, which needs no key: the methods of the path and the headers that were asked for. */
export const preflightHeaders = (
  origins: readonly string[],
  headers: IncomingHttpHeaders,
  methods: readonly string[],
): Record<string, string> => {
  const allowed = corsHeaders(origins, headers.origin);
  if (allowed["access-control-allow-origin"] === undefined) return {};
  return {
    ...allowed,
    "access-control-allow-methods": methods.join(", "),
    "access-control-allow-headers":
      headers["access-control-request-headers"] ?? "authorization, content-type, content-encoding, x-write-key",
    "access-control-max-age": MAX_AGE_SECONDS,
    vary: "origin, access-control-request-headers",
  };
};
