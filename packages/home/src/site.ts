/** The dashboard's files, served beside the API on one machine. They hold no data: that comes by the API, with a key. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { type SiteFile, buildSite } from "@ebb/dashboard/build";
import { cacheControl, securityHeaders } from "@ebb/dashboard/headers";
import { isKnown } from "@ebb/functions/runtime/etag";
import type { HttpResult } from "@ebb/functions/runtime/http";
import type { Control } from "./http-server.ts";

interface Served {
  readonly plain: HttpResult;
  readonly gzip: HttpResult;
  readonly etag: string;
}

/**
 * Answers `/` and `/assets/…`; the site is made at the first request, in some tenths of a second.
 * @param onPage called with each request for the page: its questions will follow
 */
export const site = (onPage: () => void): Control => {
  let files: Promise<ReadonlyMap<string, Served>> | undefined;
  return (method, path, headers) => {
    if (path !== "/" && !path.startsWith("/assets/")) return undefined;
    if (path === "/" && method === "GET") onPage();
    return (async () => {
      if (method !== "GET" && method !== "HEAD") return { statusCode: 405, headers: { allow: "GET, HEAD" } };
      files ??= built();
      files.catch(() => (files = undefined)); // the next request tries again
      const file = (await files).get(path);
      if (file === undefined) return { statusCode: 404, headers: { "content-type": "text/plain" }, body: "not found" };
      if (isKnown(headers["if-none-match"], file.etag))
        return { statusCode: 304, headers: { etag: file.etag, vary: "accept-encoding" } };
      return /\bgzip\b/.test(String(headers["accept-encoding"] ?? "")) ? file.gzip : file.plain;
    })();
  };
};

const built = async (): Promise<ReadonlyMap<string, Served>> =>
  new Map(
    (await buildSite()).map((file) => [file.path === "index.html" ? "/" : `/${file.path}`, servedOf(file)] as const),
  );

const servedOf = ({ path, content, contentType }: SiteFile): Served => {
  const etag = `"${createHash("sha256").update(content).digest("hex").slice(0, 32)}"`;
  const answer = (bytes: Uint8Array, more: Record<string, string>): HttpResult => ({
    statusCode: 200,
    headers: {
      "content-type": contentType,
      "cache-control": path === "index.html" ? cacheControl.page : cacheControl.asset,
      vary: "accept-encoding",
      etag,
      ...securityHeaders(),
      ...more,
    },
    body: Buffer.from(bytes).toString("base64"),
    isBase64Encoded: true,
  });
  return { etag, plain: answer(content, {}), gzip: answer(gzipSync(content), { "content-encoding": "gzip" }) };
};
