/** The dashboard before there is anything to see: signing in, and what an empty page says to do. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { type Home, startHome } from "@ebb/home/home";
import type { Browser } from "playwright-core";
import { launchChromium } from "../sdks/browser.ts";
import { type SitePage, openSite } from "./site-page.ts";

let folder: string;
let home: Home;
let browser: Browser;
let site: SitePage;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "ebb-first-look-"));
  home = await startHome({ folder, port: 0 });
  browser = await launchChromium();
});
after(async () => {
  await browser.close();
  await home.close();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  site = await openSite(browser, home.url);
});
afterEach(async () => {
  const { complaints, strangers } = site;
  await site.close();
  assert.deepEqual([complaints, strangers], [[], []]);
});

test("a wrong key is told so, a write key too, and the read key opens the page", async () => {
  await site.open("sales");
  const answers: string[] = [];
  for (const key of ["ebr_nobody-has-this-key-0000000000", home.writeKey]) {
    await site.page.getByLabel("Read key").fill(key);
    await site.page.getByRole("button", { name: "Open" }).click();
    const alert = site.page.getByRole("alert");
    await alert.filter({ hasNotText: answers.at(-1) ?? "-" }).waitFor();
    answers.push(await alert.innerText());
  }
  assert.match(answers[0]!, /not known/);
  assert.match(answers[1]!, /needs a key with the scope/);
  assert.deepEqual(await site.violations(), []);
  await site.page.getByLabel("Read key").fill(home.readKey);
  await site.page.getByRole("button", { name: "Open" }).click();
  await site.page.getByRole("heading", { name: "Sales" }).waitFor();
});

test("before the first run each page says what to do", async () => {
  await site.page.goto(`${home.url}/#/sales?token=${home.readKey}`);
  await site.settled();
  assert.match(await site.page.locator("main").innerText(), /npx ebb run/);
  await site.open("customers");
  assert.match(await site.page.locator("main").innerText(), /npx ebb run/);
  await site.open("churn");
  assert.match(await site.page.locator("main").innerText(), /No run has succeeded yet/);
  await site.open("customer/nobody");
  assert.match(await site.page.locator("main").innerText(), /No order of this customer/);
  await site.open("pipeline");
  assert.match(await site.page.locator("main").innerText(), /No file has come yet/);
  assert.deepEqual(await site.violations(), []);
});

test("the catalogue is a step away, and tells every column of a table", async () => {
  await site.page.goto(`${home.url}/#/pipeline?token=${home.readKey}`);
  await site.settled();
  await site.page.getByRole("link", { name: "data catalogue" }).click();
  await site.page.getByRole("heading", { name: "Data catalogue" }).waitFor();
  await site.settled();
  assert.match(await site.page.locator("main").innerText(), /None is declared/);
  await site.page.locator("summary", { hasText: "customer_rfm" }).first().click();
  const columns = site.page.getByRole("region", { name: "Columns of customer_rfm" });
  assert.match(await columns.innerText(), /customer_key/);
  assert.deepEqual(await site.violations(), []);
});

test("a page that is not there leads back", async () => {
  await site.page.goto(`${home.url}/#/sales?token=${home.readKey}`);
  await site.settled();
  await site.page.goto(`${home.url}/#/nowhere`);
  await site.page.getByText("There is no such page.").waitFor();
});
