import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import type { HttpResult } from "@ebb/functions/runtime/http";
import { site } from "./site.ts";

let pages = 0;
const serve = site(() => pages++);
const get = async (path: string, headers: Record<string, string> = {}) => (await serve("GET", path, headers, ""))!;
const text = (result: HttpResult): string => Buffer.from(result.body ?? "", "base64").toString();

test("the page names a script and a style sheet that are there, and loads nothing from anywhere else", async () => {
  const page = await get("/");
  assert.equal(page.statusCode, 200);
  const html = text(page);
  const names = [...html.matchAll(/(?:href|src)="(assets\/[^"]+)"/g)].map((match) => match[1]!);
  assert.equal(names.length, 2);
  for (const name of names) {
    const asset = await get(`/${name}`);
    assert.equal(asset.statusCode, 200, name);
    assert.match(String(asset.headers?.["cache-control"]), /immutable/);
  }
  assert.doesNotMatch(html, /(?:src|href)="(?:https?:)?\/\//);
  assert.match(String(page.headers?.["content-security-policy"]), /default-src 'none'.*frame-ancestors 'none'/);
});

test("a client that takes gzip gets the same bytes in gzip, and one that has them gets nothing", async () => {
  const plain = await get("/");
  const packed = await get("/", { "accept-encoding": "gzip, br" });
  assert.equal(packed.headers?.["content-encoding"], "gzip");
  assert.equal(gunzipSync(Buffer.from(packed.body!, "base64")).toString(), text(plain));
  const again = await get("/", { "if-none-match": String(plain.headers?.["etag"]) });
  assert.equal(again.statusCode, 304);
  assert.equal(again.body, undefined);
});

test("the whole site is under 400 kB compressed", async () => {
  const html = text(await get("/"));
  let bytes = 0;
  for (const name of ["", ...[...html.matchAll(/"(assets\/[^"]+)"/g)].map((match) => match[1]!)])
    bytes += Buffer.from((await get(`/${name}`, { "accept-encoding": "gzip" })).body!, "base64").length;
  assert.ok(bytes > 1_000 && bytes < 400_000, String(bytes));
});

test("other paths are left to the API, unknown files are not found, and nothing but reading is answered", async () => {
  assert.equal(serve("GET", "/v1/docs", {}, ""), undefined);
  assert.equal((await get("/assets/../build.ts")).statusCode, 404);
  assert.equal((await serve("POST", "/", {}, ""))!.statusCode, 405);
});

test("who opens the page is told of before its questions come; its files are no page", async () => {
  pages = 0;
  await get("/assets/none.js");
  await serve("POST", "/", {}, "");
  assert.equal(pages, 0);
  await get("/");
  assert.equal(pages, 1);
});
