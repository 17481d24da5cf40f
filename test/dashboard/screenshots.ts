/**
 * Pictures of every page in both themes, for the README. Without an address it starts a home of its own with the made-up
 * shop, which takes some minutes; with the link that `npm start` prints it takes the pictures there.
 *
 * Usage: npm run screenshots [-- LINK [FOLDER]]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Page } from "playwright-core";
import { launchChromium } from "../sdks/browser.ts";
import { SETTLED, until } from "./site-page.ts";
import { runEbb } from "../support/home-process.ts";

const root = path.resolve(import.meta.dirname, "../..");
const LINK = /(http:\S+)\/#\/sales\?token=([^&\s]+)&write=(\S+)/;
/** Output may come in pieces: the link is whole when something follows it. */
const PRINTED = new RegExp(`${LINK.source}(?=\\s)`);

/**
 * Resolves with the link that a first start prints when the shop is in and the first run is over.
 * @throws Error when that run did not succeed: the pages would be empty
 */
const ownHome = async (): Promise<{ link: string; stop: () => Promise<void> }> => {
  const folder = await mkdtemp(path.join(tmpdir(), "ebb-screenshots-"));
  const { child, output, ended } = runEbb(["start", "--data", folder, "--port", "0", "--no-schedule"]);
  const link = await new Promise<string>((resolve, reject) => {
    child.stdout!.on("data", () => {
      const found = PRINTED.exec(output());
      if (found !== null) resolve(found[0]);
    });
    void ended.then((code) => reject(new Error(`the home ended with ${code}:\n${output()}`)));
  });
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  const { runs } = await read<{ runs: { state: string; reason?: string }[] }>(link, "/v1/runs?limit=1");
  if (runs[0]?.state !== "succeeded") {
    await stop();
    throw new Error(`the first run is ${runs[0]?.state ?? "missing"}: ${runs[0]?.reason ?? ""}\n${output()}`);
  }
  return { link, stop };
};

/** What the API answers to the key in a link. */
const read = async <T>(link: string, address: string): Promise<T> => {
  const [, url = "", token] = LINK.exec(link) ?? [];
  const answer = await fetch(url + address, { headers: { authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new Error(`${address} answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as T;
};

/** Nothing is on its way any more, and the last of it is drawn. */
const settled = async (page: Page): Promise<void> => {
  await page.locator("main h1").first().waitFor();
  await until(page, SETTLED);
  await page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))");
};

const [given, folder = path.join(root, "docs/screenshots")] = process.argv.slice(2);
const home = given === undefined ? await ownHome() : { link: given, stop: async () => undefined };
const [, url] = LINK.exec(home.link) ?? [];
if (url === undefined) throw new Error("The link is the one that npm start prints: http://…/#/sales?token=…&write=…");

const listed = "/v1/customers?sort=net&limit=1";
const { customers } = await read<{ customers: { customer_key: string }[] }>(home.link, listed);
const pages = {
  sales: "sales",
  customers: "customers",
  churn: "churn",
  customer: `customer/${customers[0]?.customer_key ?? ""}`,
  pipeline: "pipeline",
};

const browser = await launchChromium();
try {
  for (const colorScheme of ["light", "dark"] as const) {
    const context = await browser.newContext({
      viewport: { width: 1200, height: 860 },
      colorScheme,
      locale: "en-GB",
      timezoneId: "UTC",
      reducedMotion: "reduce",
    });
    const page = await context.newPage();
    await page.goto(home.link);
    for (const [name, address] of Object.entries(pages)) {
      await page.goto(`${url}/#/${address}`);
      await settled(page);
      const file = path.join(folder, `${name}-${colorScheme}.png`);
      await page.screenshot({ path: file, fullPage: process.env["FULL_PAGE"] === "1" });
      console.log(path.relative("", file));
    }
    await context.close();
  }
} finally {
  await browser.close();
  await home.stop();
}
process.exit(0);
