/** A page of a shop in Debian's Chromium: the SDK under test is bundled into it and calls the home across origins. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { build } from "esbuild";
import { type Browser, type Page, chromium } from "playwright-core";

const CHROMIUM = "/usr/bin/chromium";

/** Installs Debian's Chromium where it is missing and apt can. @throws Error with what to do by hand */
const ensureChromium = (): void => {
  if (existsSync(CHROMIUM)) return;
  const run = (...args: string[]) => spawnSync("apt-get", args, { stdio: "ignore" }).status === 0;
  if (!(run("update", "-q") && run("install", "-y", "-q", "--no-install-recommends", "chromium")))
    throw new Error(`${CHROMIUM} is missing and could not be installed: apt-get install chromium`);
};

export const launchChromium = async (): Promise<Browser> => {
  ensureChromium();
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
      ...["--disable-component-update", "--disable-sync"],
    ],
  });
};

export interface ShopPage {
  readonly page: Page;
  /** Addresses that the page asked for outside of the shop and the home. */
  readonly strangers: string[];
  readonly errors: string[];
  close(): Promise<void>;
}

/** @param script a module; what it puts on `window` the test can call */
export const openShop = async (browser: Browser, script: string, home: string): Promise<ShopPage> => {
  const bundle = await build({
    stdin: { contents: script, resolveDir: import.meta.dirname, loader: "ts" },
    bundle: true,
    write: false,
    format: "iife",
    platform: "browser",
    logLevel: "silent",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const code = bundle.outputFiles[0]!.text;
  const server = createServer((request, response) => {
    if (request.url === "/shop.js") response.writeHead(200, { "content-type": "text/javascript" }).end(code);
    else
      response
        .writeHead(200, { "content-type": "text/html" })
        .end('<!doctype html><title>Shop</title><meta charset="utf-8"><script src="/shop.js"></script>');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const shop = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const context = await browser.newContext();
  const page = await context.newPage();
  const strangers: string[] = [];
  const errors: string[] = [];
  page.on("request", (request) => {
    if (![shop, home].some((origin) => request.url().startsWith(origin)) && request.url().startsWith("http"))
      strangers.push(request.url());
  });
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(`${shop}/kettles?email=ann%40example.com&utm_source=letter&utm_campaign=spring`);
  return {
    page,
    strangers,
    errors,
    close: async () => {
      await context.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
