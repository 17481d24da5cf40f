/** `ebb start`: brings the home up, makes the shop the first time, and tells what can be done with it. */
import path from "node:path";
import { currencyDigits } from "@ebb/core/money";
import { UsageError, optionHelp, parseOptions } from "../command-line.ts";
import type { Home } from "../home.ts";
import { progressBar } from "../progress-bar.ts";
import { DEFAULT_RUN_AT, parseRunAt } from "../run-clock.ts";
import { followRun, summaryOf } from "../run-report.ts";

const levels = ["DEBUG", "INFO", "WARN", "ERROR", "SILENT"];

const options = {
  data: { kind: "text", value: "FOLDER", help: "where everything is kept (.ebb)" },
  port: { kind: "integer", value: "PORT", min: 0, max: 65_535, help: "port to listen on, 0 for any free one (4000)" },
  host: { kind: "text", value: "ADDRESS", help: "address to listen on (127.0.0.1: this machine alone)" },
  empty: { kind: "flag", help: "make no shop: start without data" },
  seed: { kind: "integer", value: "NUMBER", help: "another seed gives another shop (1)" },
  customers: { kind: "integer", value: "COUNT", min: 1, max: 1_000_000, help: "customers of the shop (2000)" },
  currency: {
    kind: "text",
    value: "CODE",
    help: "reporting currency, ISO 4217; fixed by the first start (EUR)",
    check: (text: string) => (/^[A-Z]{3}$/.test(text) ? undefined : `"${text}" is not a code of three capitals.`),
  },
  "run-at": {
    kind: "text",
    value: "HH:MM",
    help: "local time of the daily batch run (03:00)",
    check: (text: string) =>
      parseRunAt(text) === undefined ? `"${text}" is no time of the day like 03:00.` : undefined,
  },
  "no-schedule": { kind: "flag", help: "no daily batch run: only ebb run makes one" },
  "no-keys": { kind: "flag", help: "print no keys: for a service whose output is a log" },
  "log-level": {
    kind: "text",
    value: "LEVEL",
    help: "DEBUG, INFO, WARN, ERROR or SILENT (WARN)",
    check: (text: string) =>
      levels.includes(text.toUpperCase()) ? undefined : `"${text}" is none of ${levels.join(", ")}.`,
  },
  help: { kind: "flag", help: "show this" },
} as const;

const help = `Usage: ebb start [OPTIONS]

Starts the home. The first time it makes a shop of three years, sends it through the front door and makes a first batch
run over it; later starts take up where it stopped. Ctrl-C stops it without loss.

${optionHelp(options)}
`;

/** Signals that reach the process twice (from the terminal and from npm) within this time are one. */
const SAME_SIGNAL_MS = 500;
const DAY_MS = 86_400_000;

export const run = async (args: readonly string[]): Promise<number> => {
  const { values, positionals } = parseOptions(options, args);
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  if (positionals.length > 0)
    throw new UsageError(`ebb start takes no "${positionals.join(" ")}". See ebb start --help.`);
  if (values.empty === true && (values.seed !== undefined || values.customers !== undefined))
    throw new UsageError("--empty makes no shop: --seed and --customers do not go with it.");
  if (values["log-level"] !== undefined) process.env["POWERTOOLS_LOG_LEVEL"] = values["log-level"].toUpperCase();

  const folder = path.resolve(values.data ?? ".ebb");
  const stop = stopSignal();
  let home: Home;
  try {
    const { startHome } = await import("../home.ts");
    home = await startHome({
      folder,
      port: values.port ?? 4_000,
      host: values.host ?? "127.0.0.1",
      ...(values.currency === undefined ? {} : { currency: values.currency }),
      ...(values["no-schedule"] === true ? {} : { runAt: parseRunAt(values["run-at"] ?? DEFAULT_RUN_AT) }),
    });
  } catch (error) {
    const said = await explain(error, folder, values.port ?? 4_000);
    if (said === undefined) throw error;
    process.stderr.write(`${said}\n`);
    return 1;
  }
  process.stdout.write(`Ebb is ready at ${home.url} (data in ${shown(folder)})\n`);
  try {
    const example = await shopOf(folder, home, values, stop.signal);
    if (!stop.signal.aborted) process.stdout.write(whatToTry(home, folder, example, values["no-keys"] === true));
    await stop.asked;
    process.stdout.write("\nStopping …\n");
  } finally {
    await home.close();
  }
  return 0;
};

interface ShopValues {
  readonly empty: boolean | undefined;
  readonly seed: number | undefined;
  readonly customers: number | undefined;
}

/** Makes the shop, or goes on with it; answers a customer to look at. A folder that was started empty stays empty. */
const shopOf = async (
  folder: string,
  home: Home,
  values: ShopValues,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const { feedShop, planOf, readShop, writeShop } = await import("../shop-feed.ts");
  let shop = readShop(folder);
  if (shop === undefined) {
    const endMs = Math.floor(Date.now() / DAY_MS) * DAY_MS;
    const fits = currencyDigits(home.currency) === 2;
    if (!fits && values.empty !== true)
      process.stderr.write(`No shop is made: it sells in currencies of two decimals, and ${home.currency} is none.\n`);
    shop =
      values.empty === true || !fits || home.status().events > 0
        ? { shop: "none" }
        : {
            shop: "made",
            seed: values.seed ?? 1,
            customers: values.customers ?? 2_000,
            startMs: endMs - 3 * 365 * DAY_MS,
            endMs,
            currency: home.currency,
            batchesIn: 0,
            complete: false,
          };
    writeShop(folder, shop);
  } else if (
    values.seed !== undefined ||
    values.customers !== undefined ||
    (values.empty === true && shop.shop === "made")
  )
    process.stderr.write(
      `${folder} has its ${shop.shop === "made" ? "shop" : "start without one"} already; --empty, --seed and --customers are for the first start. Use another folder with --data.\n`,
    );
  if (shop.shop === "none") return undefined;
  const plan = planOf(shop);
  if (shop.complete) return plan.busiestCustomerId;
  process.stdout.write(
    `${shop.batchesIn === 0 ? "Making a shop" : "Going on with the shop"}: ${plan.customers.toLocaleString("en")} customers, ${plan.orders.toLocaleString("en")} orders, three years.\n`,
  );
  const bar = progressBar("Shop", "events", process.stdout, () => performance.now());
  const fed = await feedShop(folder, shop, home, bar, signal);
  bar.end();
  if (fed.complete) {
    await Promise.race([home.settled().then(() => home.flushLake()), aborted(signal)]);
    process.stdout.write(`${home.status().events.toLocaleString("en")} events are in, scored and landed.\n`);
    if (!signal.aborted) await firstRun(folder, home, new Date(shop.endMs).toISOString().slice(0, 10), signal);
  } else process.stdout.write("The shop goes on at the next start.\n");
  return plan.busiestCustomerId;
};

/** So that segments, churn scores and the report are there to look at. */
const firstRun = async (folder: string, home: Home, asOf: string, signal: AbortSignal): Promise<void> => {
  const runId = home.status().run ?? (await home.beginRun({ asOf, startedBy: "command" }));
  const run = await followRun(runId, home, process.stdout, signal);
  if (run !== undefined && run.state !== "running") process.stdout.write(summaryOf(run, folder));
};

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

/** A folder as one would type it: relative where that is below. */
const shown = (folder: string): string => {
  const relative = path.relative("", folder);
  return relative.startsWith("..") ? folder : relative || ".";
};

const whatToTry = (home: Home, folder: string, example: string | undefined, keyless: boolean): string => {
  if (keyless)
    return `
  API page    ${home.url}/v1/docs
  keys        in ${path.join(shown(folder), "first-keys.json")}; npx ebb keys makes others
`;
  const at = path.relative("", folder) === ".ebb" ? "" : ` --data ${shown(folder)}`;
  const customer = example ?? "ann";
  const order = `{"event":"Order Completed","userId":"ann","properties":{"order_id":"A-1","total":42.5,"currency":"${home.currency}"}}`;
  const firstQuery = "select kind, count(*) as events from raw_events group by kind order by events desc";
  return `
  API page    ${home.url}/v1/docs
  write key   ${home.writeKey}
  read key    ${home.readKey}

Send an order, then look at its customer:
  curl -u ${home.writeKey}: -H 'content-type: application/json' ${home.url}/v1/track -d '${order}'
  curl -u ${home.readKey}: ${home.url}/v1/customers/ann
${example === undefined ? "" : `\nThe shop's best customer:\n  curl -u ${home.readKey}: ${home.url}/v1/customers/${encodeURIComponent(customer)}\n`}
Ask the lake:
  npx ebb sql${at} "${firstQuery}"

Send a file, and make a batch run over all there is now:
  npx ebb upload${at} orders.csv
  npx ebb run${at}

Look at it (the link holds the keys; it is for you alone):
  ${home.url}/#/sales?token=${home.readKey}&write=${home.writeKey}

Ctrl-C stops it; the next start takes up where it stopped.
`;
};

/** Ctrl-C or SIGTERM asks to stop; a second one ends at once, which loses nothing that was acknowledged. */
const stopSignal = (): { signal: AbortSignal; asked: Promise<void> } => {
  const controller = new AbortController();
  let firstMs = -Infinity;
  const onSignal = (): void => {
    if (!controller.signal.aborted) {
      firstMs = performance.now();
      controller.abort();
    } else if (performance.now() - firstMs > SAME_SIGNAL_MS) process.exit(130);
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, onSignal);
  return { signal: controller.signal, asked: aborted(controller.signal) };
};

/** One sentence for what a person can put right; `undefined` for a fault of ours. */
const explain = async (error: unknown, folder: string, port: number): Promise<string | undefined> => {
  if (!(error instanceof Error)) return undefined;
  const { FolderInUse, FolderNotWritable } = await import("../folder-lock.ts");
  const { SettingsError, readRunning } = await import("../home-folder.ts");
  if (error instanceof FolderInUse) {
    const running = readRunning(folder);
    return `${error.message}${running === undefined ? "" : ` It answers at ${running.url} (process ${running.pid}).`} Stop it first, or give another folder with --data.`;
  }
  if (error instanceof FolderNotWritable) return `${error.message} Give another folder with --data.`;
  if (error instanceof SettingsError || error.name === "NewerSchemaError") return error.message;
  if (error.name === "DamagedFile")
    return `${error.message} Put the home back from a backup (ebb restore) into another folder; if it is customers.db, ebb replay --from lake --replace makes it anew. See docs/operations.md.`;
  switch ((error as NodeJS.ErrnoException).code ?? "") {
    case "EADDRINUSE":
      return `Port ${port} is in use. Give another with --port, or --port 0 for any free one.`;
    case "EACCES":
      return `Port ${port} may not be opened by this user. Give one above 1023 with --port.`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return "The address given with --host is none of this machine's.";
    default:
      return undefined;
  }
};
