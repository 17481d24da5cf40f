/** What a small shop's pages show after two runs: one customer's time, who moved, the reader's language, and lost answers. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { type Home, startHome } from "@ebb/home/home";
import type { Browser } from "playwright-core";
import { launchChromium } from "../sdks/browser.ts";
import { openSite } from "./site-page.ts";

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 0, 1);
const RUNS = ["2026-07-20", "2026-08-20"] as const;

const order = (at: number) => ({
  type: "track",
  event: "Order Completed",
  messageId: `m-${at}`,
  userId: `customer-${(at * 7) % 83}`,
  timestamp: new Date(START_MS + ((at * 37) % 228) * DAY_MS).toISOString(),
  properties: {
    order_id: `o-${at}`,
    total: 10 + (at % 17),
    currency: "EUR",
    products: [{ product_id: `p-${at % 9}`, name: `Kettle ${at % 9}`, price: 10 + (at % 17), quantity: 1 }],
  },
});
const ofAda = { userId: "ada", timestamp: "2026-07-10T10:00:00.000Z" };
const story = [
  { ...order(1_000), ...ofAda, properties: { ...order(1_000).properties, order_id: "ada-1", total: 1234.5 } },
  {
    ...ofAda,
    type: "track",
    event: "Order Refunded",
    messageId: "ada-r",
    timestamp: "2026-07-12T10:00:00.000Z",
    properties: { order_id: "ada-1", refund_id: "r-1", total: 34.5, currency: "EUR" },
  },
  {
    ...ofAda,
    type: "track",
    event: "Product Viewed",
    messageId: "ada-v",
    timestamp: "2026-07-13T10:00:00.000Z",
    properties: { product_id: "p-3", name: "Kettle 3" },
  },
  {
    ...ofAda,
    type: "track",
    event: "Social Mentioned",
    messageId: "ada-s",
    timestamp: "2026-07-14T10:00:00.000Z",
    properties: { platform: "mastodon", post_id: "p-1", text: "The kettle is lovely" },
  },
];

let folder: string;
let home: Home;
let browser: Browser;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "ebb-one-customer-"));
  home = await startHome({ folder, port: 0, currency: "EUR" });
  const sent = await fetch(`${home.url}/v1/batch`, {
    method: "POST",
    headers: { authorization: `Bearer ${home.writeKey}`, "content-type": "application/json" },
    body: JSON.stringify({ batch: [...Array.from({ length: 500 }, (_, at) => order(at)), ...story] }),
  });
  assert.equal(((await sent.json()) as { quarantined: number }).quarantined, 0);
  await home.settled();
  await home.flushLake();
  for (const asOf of RUNS) {
    const run = await home.runEnded(await home.beginRun({ asOf, startedBy: "command" }));
    assert.equal(run?.state, "succeeded", run?.reason);
  }
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await home?.close();
  await rm(folder, { recursive: true, force: true });
});

const enter = async (options: Parameters<typeof openSite>[2] = {}) => {
  const site = await openSite(browser, home.url, options);
  await site.page.goto(`${home.url}/#/sales?token=${home.readKey}`);
  await site.settled();
  return site;
};

test("a customer's page tells orders, refunds, visits and posts, the newest first, and the scores of each run", async () => {
  const site = await enter();
  await site.open("customer/ada");
  const timeline = site.page.getByRole("region", { name: "Timeline", exact: true });
  const kinds = await timeline.locator("li b").allInnerTexts();
  assert.deepEqual(kinds.slice(0, 4), ["Post", "Visit", "Refund", "Order"]);
  const entries = (await timeline.locator("ol > li").allInnerTexts()).join("\n");
  assert.match(entries, /mastodon/);
  assert.match(entries, /-€34\.50/);
  assert.match(entries, /€1,234\.50/);
  const scores = site.page.getByRole("region", { name: "Scores over time" });
  assert.deepEqual(await scores.locator("tbody tr td:first-child").allInnerTexts(), ["20 Aug 2026", "20 Jul 2026"]);
  assert.equal(await scores.getByRole("img", { name: /Probability of leaving by run/ }).count(), 1);
  assert.deepEqual([await site.violations(), site.complaints, site.strangers], [[], [], []]);
  await site.close();
});

test("who moved between segments since the run before is what the API says", async () => {
  const site = await enter();
  await site.open("customers");
  const answer = await fetch(`${home.url}/v1/segments`, { headers: { authorization: `Bearer ${home.readKey}` } });
  const { movements, clusters } = (await answer.json()) as {
    movements: { from: string; to: string; customers: number }[];
    clusters: { cluster: string }[];
  };
  assert.ok(movements.length > 0);
  const shown = site.page.getByRole("region", { name: "Movement since the last run" }).locator("li");
  assert.equal(await shown.count(), Math.min(12, movements.length));
  const [first] = movements;
  assert.equal(await shown.first().locator(".bar-name").innerText(), `${first!.from} → ${first!.to}`);
  assert.equal((await shown.first().locator(".bar-figure").innerText()).trim(), String(first!.customers));
  const names = site.page.getByRole("region", { name: "Clusters", exact: true }).locator("tbody th");
  assert.deepEqual(
    await names.allInnerTexts(),
    clusters.map(({ cluster }) => cluster),
  );
  await site.close();
});

test("numbers, money and days are in the reader's locale", async () => {
  const site = await enter({ locale: "de-DE" });
  await site.open("customer/ada");
  const page = await site.page.locator("main").innerText();
  assert.match(page, /1\.200,00\s€/);
  assert.match(page, /10\.07\.2026/);
  await site.close();
});

test("events of the last minutes stand on the pipeline page, and the theme that is chosen stays", async () => {
  const site = await enter({ colorScheme: "light" });
  await site.open("pipeline");
  const tile = site.page.locator(".tile", { hasText: "Events in the last hour" });
  assert.equal(await tile.locator(".figure").innerText(), String(500 + story.length));
  const paper = () => site.page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
  const light = await paper();
  await site.page.getByLabel("Theme").selectOption("dark");
  const dark = await paper();
  assert.notEqual(dark, light);
  await site.page.reload();
  await site.settled();
  assert.equal(await paper(), dark);
  await site.close();
});

test("by the keyboard alone: over the bar to the content, and from a country to its page", async () => {
  const site = await enter();
  await site.page.reload();
  await site.settled();
  await site.page.keyboard.press("Tab");
  assert.equal(await site.page.evaluate("document.activeElement.innerText"), "Skip to the content");
  await site.page.keyboard.press("Enter");
  assert.equal(await site.page.evaluate("document.activeElement.id"), "content");
  await site.page.keyboard.press("Tab");
  assert.equal(await site.page.evaluate("document.activeElement.type"), "date");
  await site.close();
});

test("when no answer comes the page says so, and goes on when it is asked again", async () => {
  const site = await enter();
  await site.page.route("**/v1/**", (route) => route.abort());
  await site.page.goto(`${home.url}/#/customers`);
  const alert = site.page.getByRole("alert").first();
  await alert.waitFor();
  assert.match(await alert.innerText(), /does not answer/);
  assert.deepEqual(await site.violations(), []);
  await site.page.unroute("**/v1/**");
  await alert.getByRole("button", { name: "Try again" }).click();
  await site.page.getByRole("region", { name: "Segments", exact: true }).waitFor();
  await site.close();
});
