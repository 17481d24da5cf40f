/** The pages and the look-ups behind them, over Online Retail: what somebody waits for who sits before them. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { launchChromium } from "../sdks/browser.ts";
import { Child } from "./child.ts";
import { BenchHome } from "./home.ts";
import { quantile, quantiles } from "./quantiles.ts";
import type { Bench } from "./result.ts";
import { dataFile, send } from "./upload.ts";

const REPAINT_P95_MS = 100;
const FIRST_VIEW_MS = 1_000;
const SITE_BYTES = 400_000;
const LOOKUPS_PER_SECOND = 500;
const LOOKUP_P99_MS = 15;

export const dashboard: Bench = async ({ quick }) => {
  const file = dataFile("online_retail.csv.gz");
  if (!existsSync(file))
    return { name: "dashboard", skipped: `${file} is not there; EBB_TEST_DATA names another folder` };
  const home = await BenchHome.start();
  try {
    await send(home, "online_retail.csv", gunzipSync(await readFile(file)));
    await home.settle();
    await home.run("2011-12-10");
    const browser = await launchChromium();
    let pages: Pages;
    try {
      pages = await measurePages(browser, home.started, quick ? 5 : 60);
    } finally {
      await browser.close();
    }
    const { lookups, floor, late } = await measureLookups(home, quick ? 2_000 : 20_000);
    const { brushMs, filterMs, firstViewMs, siteBytes } = pages;
    const repaintP95 = Math.max(quantile(brushMs, 0.95), quantile(filterMs, 0.95));
    const lookupP99 = quantile(lookups, 0.99);
    return {
      name: "dashboard",
      title: "The dashboard over Online Retail",
      method:
        "UCI's Online Retail with a run as of 2011-12-10, in a home of its own process; the pages in headless Chromium. A " +
        "period is dragged over the chart with the mouse, a country or the interval is chosen: from the mouse button's " +
        "release, or the click, until every figure of the page is new and drawn, no two questions alike. The first view is " +
        "of a browser without a cache, from the navigation until the last panel is drawn. Look-ups are GET " +
        `/v1/customers/{id} of the ${LOOKUPS_PER_SECOND} a second that are due at even intervals over 64 connections, home and ` +
        "load each on a core of its own; times count from when a request was due. The floor is GET /healthz in the same way.",
      figures: [
        { what: "brush to repainted, p50 / p95 / p99", value: quantiles(brushMs) },
        { what: "filter to repainted, p50 / p95 / p99", value: quantiles(filterMs) },
        {
          what: "first view, cold cache, median / slowest",
          value: `${ms(quantile(firstViewMs, 0.5))} / ${ms(Math.max(...firstViewMs))}`,
        },
        { what: "site, compressed", value: `${(siteBytes / 1_000).toFixed(1)} kB` },
        { what: "look-up, p50 / p95 / p99", value: quantiles(lookups) },
        { what: "/healthz, p50 / p95 / p99", value: quantiles(floor) },
        {
          what: "look-up ÷ /healthz, p50 / p99",
          value: [0.5, 0.99].map((q) => (quantile(lookups, q) / quantile(floor, q)).toFixed(1)).join(" / "),
        },
        { what: "look-ups sent over 20 ms after they were due", value: `${late} of ${lookups.length}` },
      ],
      target: {
        what:
          `repainted within ${REPAINT_P95_MS} ms (p95), first view within ${FIRST_VIEW_MS / 1_000} s, site under ` +
          `${SITE_BYTES / 1_000} kB, look-ups within ${LOOKUP_P99_MS} ms (p99)`,
        met:
          repaintP95 < REPAINT_P95_MS &&
          quantile(firstViewMs, 0.5) < FIRST_VIEW_MS &&
          siteBytes < SITE_BYTES &&
          lookupP99 < LOOKUP_P99_MS,
      },
    };
  } finally {
    await home.stop();
  }
};

const ms = (value: number): string => `${value.toFixed(0)} ms`;

// ── pages ──────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Pages {
  readonly brushMs: readonly number[];
  readonly filterMs: readonly number[];
  readonly firstViewMs: readonly number[];
  readonly siteBytes: number;
}

/** In the page: `repainted` becomes the milliseconds from the mouse button's release until all is new and drawn. */
const WATCH = `globalThis.repainted = new Promise((resolve) => {
  let began;
  let asked = false;
  const busy = () => document.querySelector("main [aria-busy=true]") !== null;
  const begin = (event) => (began ??= event.timeStamp);
  addEventListener("mouseup", begin, { capture: true, once: true });
  const watch = new MutationObserver(() => (asked ||= busy()));
  watch.observe(document.querySelector("main"), { subtree: true, childList: true, attributes: true });
  const look = (now) => {
    if (began === undefined || !asked || busy()) return requestAnimationFrame(look);
    watch.disconnect();
    // The frame after this one shows what was drawn.
    requestAnimationFrame(() => resolve(performance.now() - began));
  };
  requestAnimationFrame(look);
}); undefined`;

const timed = async (page: Page, act: () => Promise<void>): Promise<number> => {
  await page.evaluate(WATCH);
  await act();
  return page.evaluate<number>("globalThis.repainted");
};

const SHOWN = `document.querySelectorAll("main section.panel").length >= 5 &&
  document.querySelector("main [aria-busy=true]") === null`;

export const measurePages = async (
  browser: Browser,
  { url, readKey }: { readonly url: string; readonly readKey: string },
  times: number,
): Promise<Pages> => {
  const link = `${url}/#/sales?token=${readKey}`;
  const firstViewMs: number[] = [];
  let siteBytes = 0;
  for (let time = 0; time < Math.max(3, times / 6); time++) {
    const context = await browser.newContext({ viewport: { width: 1200, height: 860 }, locale: "en-GB" });
    const page = await context.newPage();
    await page.goto(link, { waitUntil: "commit" });
    firstViewMs.push(await whenShown(page));
    siteBytes = await page.evaluate<number>(
      `[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .filter(({ name }) => !new URL(name).pathname.startsWith("/v1/"))
        .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)`,
    );
    await context.close();
  }
  const context = await browser.newContext({ viewport: { width: 1200, height: 1_600 }, locale: "en-GB" });
  const page = await context.newPage();
  await page.goto(link);
  await whenShown(page);
  const chart = page.locator(".u-over").first();
  const box = (await chart.boundingBox())!;
  const brushMs: number[] = [];
  for (let time = 0; time < times; time++) {
    // Each another period, from some weeks to most of the year.
    const from = box.x + box.width * (0.02 + (0.4 * time) / times);
    const to = box.x + box.width * (0.98 - (0.45 * ((time * 7) % times)) / times);
    await page.mouse.move(from, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(to, box.y + box.height / 2, { steps: 4 });
    brushMs.push(await timed(page, () => page.mouse.up()));
  }
  const filterMs: number[] = [];
  for (let time = 0; time < times; time++) {
    // A country of those in the list, and back to all.
    const chosen = page.getByRole("button", { name: "All countries" });
    const control =
      (await chosen.count()) > 0
        ? chosen
        : page
            .getByRole("region", { name: "Countries" })
            .getByRole("link")
            .nth((time * 3) % 11);
    filterMs.push(await timed(page, () => control.click()));
  }
  await context.close();
  return { brushMs, filterMs, firstViewMs, siteBytes };
};

/** Milliseconds since the navigation, as the page's own clock has them. */
const whenShown = (page: Page): Promise<number> =>
  page.evaluate<number>(`new Promise((resolve) => {
    const look = () => ((${SHOWN}) ? requestAnimationFrame(() => resolve(performance.now())) : requestAnimationFrame(look));
    look();
  })`);

// ── look-ups ───────────────────────────────────────────────────────────────────────────────────────────────────────

interface Lookups {
  readonly lookups: readonly number[];
  readonly floor: readonly number[];
  readonly late: number;
}

const measureLookups = async (home: BenchHome, measuredMs: number): Promise<Lookups> => {
  const { customers } = (await home.get("/v1/customers?limit=1000")) as { customers: { customer_key: string }[] };
  const paths = customers.map(({ customer_key: key }) => `/v1/customers/${key}`);
  pin(home.child.pid, 0);
  const load = async (of: readonly string[]): Promise<{ answeredMs: number[]; late: number }> => {
    const { url, readKey } = home.started;
    const child = new Child("lookup-load", {
      url,
      readKey,
      paths: of,
      perSecond: LOOKUPS_PER_SECOND,
      warmUpMs: 3_000,
      measuredMs,
    });
    pin(child.pid, 1);
    await child.next();
    const done = child.next<{ answeredMs: number[]; late: number }>();
    child.tell("go");
    const result = await done;
    await delay(100);
    return result;
  };
  const floor = await load(["/healthz"]);
  const { answeredMs, late } = await load(paths);
  return { lookups: answeredMs, floor: floor.answeredMs, late };
};

/** All threads of a process on one core, where there are several and the system has a word for it. */
const pin = (pid: number, core: number): void => {
  if (process.platform !== "linux" || availableParallelism() < 2) return;
  execFileSync("taskset", ["-a", "-c", "-p", String(core), String(pid)], { stdio: "ignore" });
};
