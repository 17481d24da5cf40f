/** The pages over UCI's Online Retail, read and driven in Chromium as somebody would who sits before them. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import type { Home } from "@ebb/home/home";
import { DuckDbQueryEngine } from "@ebb/ports/embedded/query-engine";
import type { Browser } from "playwright-core";
import { homeWith } from "../model/upload-home.ts";
import { launchChromium } from "../sdks/browser.ts";
import { missing } from "../uploads/online-retail-file.ts";
import { type SitePage, csvRows, openSite, textOf, until } from "./site-page.ts";

/** Published: net revenue by month, 2010-12 to 2011-12. */
const MONTHLY =
  "748957.02 560000.26 498062.65 683267.08 493207.12 723333.51 691123.12 681300.11 682680.51 1019687.62 1070704.67 1461756.25 433668.01".split(
    " ",
  );
/** Published: customers of the United Kingdom with any row, by month. */
const ACTIVE_UK = "871 684 714 923 817 985 943 899 867 1177 1285 1548 617".split(" ");
const BESTSELLERS = [
  ["DOTCOM POSTAGE", "£186,372.79"],
  ["REGENCY CAKESTAND 3 TIER", "£158,859.27"],
  ["WHITE HANGING HEART T-LIGHT HOLDER", "£97,464.40"],
];

describe("the dashboard over Online Retail", { skip: missing("online_retail.csv.gz") }, () => {
  let folder: string;
  let home: Home;
  let browser: Browser;
  let site: SitePage;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "ebb-dashboard-"));
    home = await homeWith(folder, "online_retail.csv.gz", "GBP");
    const runId = await home.beginRun({ asOf: "2011-12-10", startedBy: "command" });
    assert.equal((await home.runEnded(runId))?.state, "succeeded");
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    await home?.close();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    site = await openSite(browser, home.url);
    await site.page.goto(`${home.url}/#/sales?token=${home.readKey}&write=${home.writeKey}`);
    await site.settled();
  });
  afterEach(async () => {
    const { complaints, strangers } = site;
    await site.close();
    assert.deepEqual(complaints, [], "nothing breaks, and the security policy forbids nothing that a page does");
    assert.deepEqual(strangers, [], "no other host is asked");
  });

  const panel = (title: string) => site.page.getByRole("region", { name: title, exact: true });
  const tile = async (name: string): Promise<string> =>
    (await site.page.locator(".tile", { hasText: name }).first().innerText()).replaceAll("\n", " ");
  const table = async (title: string): Promise<string[][]> => {
    await panel(title).getByRole("button", { name: "Table" }).click();
    const rows = await panel(title).locator("tbody tr").all();
    return await Promise.all(rows.map(async (row) => await row.locator("th, td").allInnerTexts()));
  };
  const sheetOf = async (title: string): Promise<string[][]> => {
    const [download] = await Promise.all([
      site.page.waitForEvent("download"),
      panel(title)
        .getByRole("button", { name: `Download ${title} as CSV` })
        .click(),
    ]);
    return csvRows(await textOf(download));
  };
  const sql = async (text: string) => {
    const engine = await DuckDbQueryEngine.open({ folder: path.join(folder, "lake") });
    try {
      return (await engine.query(text)).rows;
    } finally {
      engine.close();
    }
  };

  test("the keys leave the address as soon as they are taken", () => {
    assert.equal(new URL(site.page.url()).hash, "#/sales");
  });

  test("monthly revenue is the published one, as the page shows it", async () => {
    const rows = await table("Revenue by month");
    assert.deepEqual(
      rows.map(([, revenue]) => revenue),
      MONTHLY,
    );
    assert.equal(rows[0]![0], "2010-12-01");
  });

  test("a country is chosen by its name, and its active customers by month are the published ones", async () => {
    await panel("Countries").getByRole("link", { name: "United Kingdom" }).click();
    await site.page.getByRole("heading", { name: "Sales, United Kingdom" }).waitFor();
    await site.settled();
    const rows = await table("Revenue by month");
    assert.deepEqual(
      rows.map((row) => row[6]),
      ACTIVE_UK,
    );
  });

  test("bestsellers of 2010-12 to 2011-11 are the published ones, by dates put in by hand", async () => {
    await site.page.getByLabel("To", { exact: true }).fill("2011-11-30");
    await site.settled();
    const bars = panel("Bestsellers").locator("li");
    const shown = await Promise.all(
      [0, 1, 2].map(async (at) => [
        await bars.nth(at).locator(".bar-name").innerText(),
        (await bars.nth(at).locator(".bar-figure").innerText()).split(" ")[0],
      ]),
    );
    assert.deepEqual(shown, BESTSELLERS);
    // The link reproduces the view.
    const address = site.page.url();
    await site.page.goto("about:blank");
    await site.page.goto(address);
    await site.settled();
    assert.equal(await site.page.getByLabel("To", { exact: true }).inputValue(), "2011-11-30");
  });

  test("a drag over the chart chooses a period for the whole page, and a double click lets it go", async () => {
    const whole = await tile("Revenue");
    const chart = panel("Revenue by month").locator(".u-over").first();
    await chart.scrollIntoViewIfNeeded();
    const box = (await chart.boundingBox())!;
    const y = box.y + box.height / 2;
    await site.page.mouse.move(box.x + box.width * 0.45, y);
    await site.page.mouse.down();
    await site.page.mouse.move(box.x + box.width * 0.7, y, { steps: 8 });
    await site.page.mouse.up();
    await site.page.waitForURL(/from=/);
    await site.settled();
    const search = new URLSearchParams(site.page.url().split("?")[1]);
    const [from, to] = [search.get("from")!, search.get("to")!];
    assert.ok(from > "2011-04" && from < "2011-07" && to > "2011-07" && to < "2011-10", `${from} ${to}`);
    const [[net]] = (await sql(
      `SELECT sum(net_minor) FROM sales_daily WHERE day >= DATE '${from}' AND day < DATE '${to}'`,
    )) as [[unknown]];
    const pounds = new Intl.NumberFormat("en-GB", { style: "currency", currency: "GBP" });
    assert.ok((await tile("Revenue")).includes(pounds.format(Number(net) / 100)));
    // Countries and bestsellers follow.
    const countries = await sheetOf("Countries");
    const sum = countries.slice(1).reduce((total, row) => total + Math.round(Number(row[1]) * 100), 0);
    assert.equal(sum, Number(net));
    await chart.dblclick();
    await until(site.page, '!location.hash.includes("from=")');
    await site.settled();
    assert.equal(await tile("Revenue"), whole);
  });

  test("a CSV that is downloaded holds what SQL says", async () => {
    const [header, ...rows] = await sheetOf("Revenue by month");
    assert.equal(header![1], "revenue");
    const expected = await sql(`
      SELECT strftime(date_trunc('month', day), '%Y-%m-%d'), sum(net_minor), sum(orders) FROM sales_daily
      GROUP BY 1 ORDER BY 1`);
    assert.deepEqual(
      rows.map((row) => [row[0], Math.round(Number(row[1]) * 100), Number(row[2])]),
      expected.map(([month, net, orders]) => [month, Number(net), Number(orders)]),
    );
  });

  test("a segment is opened from the grid, ordered, and exported whole for a campaign", async () => {
    await site.open("customers");
    await site.page.getByRole("region", { name: "RFM grid" }).getByRole("link", { name: "Champions" }).first().click();
    await site.settled();
    const [[champions]] = (await sql(
      "SELECT count(*) FROM customer_scores WHERE cutoff = '2011-12-10' AND segment = 'Champions'",
    )) as [[unknown]];
    // As of a segment that is larger than one answer: the export goes on by the links of the answers.
    let answers = 0;
    await site.page.route("**/v1/segments/**", async (route) => {
      answers++;
      const url = route.request().url();
      await route.continue({ url: url.includes("limit=") ? url : `${url}&limit=97` });
    });
    const [download] = await Promise.all([
      site.page.waitForEvent("download"),
      site.page.getByRole("button", { name: "Whole segment as CSV" }).click(),
    ]);
    assert.equal(answers, Math.ceil(Number(champions) / 97));
    const [header, ...rows] = csvRows(await textOf(download));
    assert.equal(header![0], "customer_key");
    assert.equal(rows.length, Number(champions));
    assert.ok(rows.every((row) => row[1] === "Champions"));
    assert.equal(new Set(rows.map((row) => row[0])).size, rows.length);

    await site.page.getByLabel("Order").selectOption("churn");
    await site.settled();
    const shown = await panel("Champions").locator("tbody tr td:nth-child(6)").allInnerTexts();
    const chances = shown.map((text) => Number.parseFloat(text));
    assert.equal(chances.length, 50);
    assert.deepEqual(
      chances,
      chances.toSorted((a, b) => b - a),
    );
    await panel("Champions").getByRole("button", { name: "More" }).click();
    await until(site.page, 'document.querySelectorAll("section.wide tbody tr").length === 100');
  });

  test("who is at risk stands in the order of expected loss, and a row leads to the customer", async () => {
    await site.open("churn");
    const losses = await panel("Who is at risk").locator("tbody tr td:nth-child(7)").allInnerTexts();
    const amounts = losses.map((text) => Number(text.replace(/[£,]/g, "")));
    assert.deepEqual(
      amounts,
      amounts.toSorted((a, b) => b - a),
    );
    assert.ok(amounts[0]! > 0);
    await panel("Who is at risk").locator("tbody a").first().click();
    await site.page.getByRole("heading", { name: "Customer", exact: true }).waitFor();
    await site.settled();
    assert.ok((await panel("Timeline").locator("li").count()) > 0);
    assert.ok((await site.page.getByText("Likely to leave?").count()) > 0);
    assert.equal((await table("Scores over time")).length, 1);
  });

  test("the threshold slider tells customers, saves, cost and profit of the threshold it stands at", async () => {
    await site.open("churn");
    const [, ...rows] = await sheetOf("Whom to contact");
    const slider = panel("Whom to contact").getByRole("slider");
    await slider.focus();
    await slider.fill("30");
    await site.page.waitForURL(/threshold=0\.6/);
    const row = rows.find(([threshold]) => threshold === "0.6")!;
    const tiles = (await panel("Whom to contact").locator(".tile").allInnerTexts()).map((text) =>
      text.replaceAll("\n", " ").replaceAll(",", ""),
    );
    assert.ok(tiles[0]!.includes(row[1]!), `${tiles[0]} ${row[1]}`);
    assert.ok(tiles[2]!.includes(row[3]!) && tiles[3]!.includes(row[4]!), `${tiles.join("|")} ${row.join("|")}`);
    const [[above]] = (await sql(
      "SELECT count(*) FROM customer_scores WHERE cutoff = '2011-12-10' AND churn_probability >= 0.6",
    )) as [[unknown]];
    assert.equal(row[1], String(above));
  });

  test("a file that is dropped fills its ledger, row by row accounted for", async () => {
    await site.open("pipeline");
    const lines = Array.from({ length: 40 }, (_, row) =>
      row === 7
        ? "D-7,nobody,not a date,GBP,1.00"
        : `D-${row},drop-${row % 9},2011-12-0${1 + (row % 8)}T10:00:00Z,12.50,GBP`,
    );
    const csv = ["order_id,customer_id,occurred_at,total,currency", ...lines].join("\n");
    const transfer = await site.page.evaluateHandle(`(() => {
      const data = new DataTransfer();
      data.items.add(new File([${JSON.stringify(csv)}], "dropped.csv", { type: "text/csv" }));
      return data;
    })()`);
    await site.page.dispatchEvent(".drop", "dragover", { dataTransfer: transfer });
    await site.page.dispatchEvent(".drop", "drop", { dataTransfer: transfer });
    const row = site.page.locator("tr", { hasText: "dropped.csv" });
    await row.locator("[data-ledger=received]", { hasText: "40" }).waitFor({ timeout: 60_000 });
    const figure = (name: string) => row.locator(`[data-ledger=${name}]`).innerText();
    assert.deepEqual(
      [await figure("received"), await figure("accepted"), await figure("duplicate"), await figure("quarantined")],
      ["40", "39", "0", "1"],
    );
    // The refused row is there to be looked at, by its reason.
    const refused = panel("Quarantine by reason");
    await site.open("pipeline?reason=invalid_time");
    await refused.getByText("D-7,nobody,not a date,GBP,1.00").waitFor();
    await refused.getByRole("link", { name: "invalid_time" }).waitFor();
    const newest = panel("Latest requests and files").locator("tbody tr").first();
    assert.deepEqual((await newest.locator("td").allInnerTexts()).slice(1), ["upload", "40", "39", "0", "1"]);
    const counts = await sheetOf("Quarantine by reason");
    assert.deepEqual(counts[0], ["reason", "rows and events"]);
    assert.ok(Number(counts.find(([reason]) => reason === "invalid_time")?.[1]) >= 1);
  });

  for (const colorScheme of ["light", "dark"] as const)
    for (const name of ["sales", "customers", "churn", "customer", "pipeline"])
      test(`axe finds nothing serious: ${name}, ${colorScheme}`, async () => {
        await site.page.emulateMedia({ colorScheme });
        const [[key]] = (await sql("SELECT min(customer_key) FROM customer_scores")) as [[string]];
        await site.open(name === "customer" ? `customer/${key}` : name);
        for (const details of await site.page.locator("details.quality").all()) await details.click();
        await site.settled();
        assert.deepEqual(await site.violations(), []);
      });

  test("on a phone no page is wider than the screen", async () => {
    await site.page.setViewportSize({ width: 360, height: 740 });
    for (const name of ["sales", "customers", "churn", "pipeline"]) {
      await site.open(name);
      const width = await site.page.evaluate<number>("document.documentElement.scrollWidth");
      assert.ok(width <= 360, `${name} is ${width} wide`);
    }
  });
});
