/** The dashboard in Chromium, watched: what it asks for, what it complains of, what it lets through to a screen reader. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as delay } from "node:timers/promises";
import type { Browser, BrowserContextOptions, Download, Page } from "playwright-core";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Every figure is there, and drawn. */
export const SETTLED =
  'document.querySelector("main [aria-busy=true]") === null && !document.body.innerText.includes("Loading …")';

/**
 * Looks until the expression holds in the page. Not `waitForFunction`: with a text that evaluates inside of the page,
 * which its security policy forbids.
 */
export const until = async (page: Page, expression: string, timeoutMs = 30_000): Promise<void> => {
  const endMs = Date.now() + timeoutMs;
  while (!(await page.evaluate<boolean>(expression))) {
    if (Date.now() > endMs) throw new Error(`${expression} did not come true in ${timeoutMs} ms`);
    await delay(50);
  }
};

export interface SitePage {
  readonly page: Page;
  /** Errors of scripts, and what the console said of the security policy. */
  readonly complaints: string[];
  /** Addresses on other hosts that were asked for. */
  readonly strangers: string[];
  /** Goes to `#/…` and waits until its figures are there. */
  open(address: string): Promise<void>;
  settled(): Promise<void>;
  /** Rules of WCAG 2.1 A and AA that the page breaks seriously. */
  violations(): Promise<string[]>;
  close(): Promise<void>;
}

export const openSite = async (
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<SitePage> => {
  const context = await browser.newContext({ locale: "en-GB", timezoneId: "UTC", reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  const strangers: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    // Answers of 401 and 404 are told by the page itself.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (/^(?:http|ws)/.test(request.url()) && !request.url().startsWith(`${url}/`)) strangers.push(request.url());
  });
  const settled = async (): Promise<void> => {
    await page.locator("main h1").first().waitFor();
    await until(page, SETTLED);
  };
  return {
    page,
    complaints,
    strangers,
    settled,
    open: async (address) => {
      await page.goto(`${url}/#/${address}`);
      await settled();
    },
    violations: async () => {
      // By the debugger, as the policy of the page forbids scripts from elsewhere.
      await page.evaluate(axeSource);
      const found = await page.evaluate(async () => {
        const { axe } = globalThis as unknown as {
          axe: {
            run(options: object): Promise<{
              violations: { id: string; impact: string; nodes: { target: string[]; failureSummary: string }[] }[];
            }>;
          };
        };
        return (await axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] })).violations;
      });
      return found
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(" ")} ${node.failureSummary}`));
    },
    close: () => context.close(),
  };
};

/** Rows of a CSV without quoted line breaks. */
export const csvRows = (text: string): string[][] =>
  text
    .trimEnd()
    .split("\r\n")
    .map((line) =>
      [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)]
        .slice(0, -1)
        .map(([, cell]) => (cell!.startsWith('"') ? cell!.slice(1, -1).replaceAll('""', '"') : cell!)),
    );

export const textOf = async (download: Download): Promise<string> => {
  const file = await download.path();
  assert.ok(file !== null);
  return readFileSync(file, "utf8");
};
