/** `ebb run`: a batch run now, by the running home or on a folder at rest; its steps as they happen, then its figures. */
import { existsSync } from "node:fs";
import path from "node:path";
import { EmbeddedRunStore } from "@ebb/ports/embedded/run-store";
import { UsageError, optionHelp, parseOptions } from "../command-line.ts";
import { FolderInUse } from "../folder-lock.ts";
import { NoHome, reachHome } from "../running-home.ts";
import { type RunFollower, followRun, summaryOf } from "../run-report.ts";

const options = {
  data: { kind: "text", value: "FOLDER", help: "the home's folder (.ebb)" },
  "as-of": {
    kind: "text",
    value: "DATE",
    help: "nothing from this day on is known to the run, UTC (today)",
    check: (text: string) =>
      /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text))
        ? undefined
        : `"${text}" is no date like 2026-01-31.`,
  },
  horizon: {
    kind: "integer",
    value: "DAYS",
    min: 7,
    max: 730,
    help: "days without an order that count as leaving (90, or the setting model.horizonDays)",
  },
  whole: { kind: "flag", help: "write every table anew, not only what new events touch" },
  help: { kind: "flag", help: "show this" },
} as const;

const help = `Usage: ebb run [OPTIONS]

Makes a batch run: features, segments, clusters, the churn model and its report, scores of every customer, marts, and the
check that the stream and the batch agree. A running home makes it beside its work; a folder at rest is opened for it.
An interrupted run goes on where it stopped, at the next start or the next ebb run.

${optionHelp(options)}
`;

interface Asked {
  readonly asOf: string | undefined;
  readonly horizonDays: number | undefined;
  readonly whole: boolean;
}

export const run = async (args: readonly string[]): Promise<number> => {
  const { values, positionals } = parseOptions(options, args);
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  if (positionals.length > 0) throw new UsageError(`ebb run takes no "${positionals.join(" ")}". See ebb run --help.`);
  const folder = path.resolve(values.data ?? ".ebb");
  if (!existsSync(folder)) {
    process.stderr.write(`There is no home in ${folder}. npm start makes one; --data names another folder.\n`);
    return 1;
  }
  const asked: Asked = { asOf: values["as-of"], horizonDays: values.horizon, whole: values.whole === true };
  try {
    return (await inRunningHome(values.data, asked)) ?? (await atRest(folder, asked));
  } catch (error) {
    if (!(error instanceof FolderInUse || error instanceof Refused)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
};

/** The home said no; its own words. */
class Refused extends Error {
  override readonly name = "Refused";
}

/** `undefined` when no home is running there. */
const inRunningHome = async (data: string | undefined, asked: Asked): Promise<number | undefined> => {
  let home;
  try {
    home = await reachHome(data);
  } catch (error) {
    if (error instanceof NoHome) return undefined;
    throw error;
  }
  const query = new URLSearchParams();
  if (asked.asOf !== undefined) query.set("as_of", asked.asOf);
  if (asked.horizonDays !== undefined) query.set("horizon_days", String(asked.horizonDays));
  if (asked.whole) query.set("whole", "true");
  const response = await fetch(`${home.url}/_ebb/run?${query.toString()}`, {
    method: "POST",
    headers: { authorization: `Bearer ${home.controlToken}` },
  });
  const body = (await response.json()) as { run_id?: string; detail?: string };
  if (body.run_id === undefined) throw new Refused(body.detail ?? `The home answered ${response.status}.`);
  const runs = new EmbeddedRunStore(home.folder);
  try {
    process.once("SIGINT", () => {
      process.stdout.write("\nThe home goes on with the run. ebb status tells whether it is under way.\n");
      process.exit(130);
    });
    const answers = async (): Promise<boolean> => (await reachHome(data).catch(() => undefined)) !== undefined;
    return await told(body.run_id, home.folder, { run: (id) => runs.get(id), answers });
  } finally {
    runs.close();
  }
};

/** Opens the folder as a home that nobody is told of: what is on the log lands first, as it does in a running one. */
const atRest = async (folder: string, { asOf, horizonDays, whole }: Asked): Promise<number> => {
  const { startHome } = await import("../home.ts");
  const home = await startHome({ folder, port: 0 });
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort());
  process.once("SIGTERM", () => interrupted.abort());
  try {
    await home.settled();
    const runId =
      home.status().run ??
      (await home.beginRun({
        startedBy: "command",
        ...(asOf === undefined ? {} : { asOf }),
        ...(horizonDays === undefined ? {} : { horizonDays }),
        ...(whole ? { whole } : {}),
      }));
    return await told(runId, folder, home, interrupted.signal);
  } finally {
    await home.close();
  }
};

const told = async (runId: string, folder: string, runs: RunFollower, signal?: AbortSignal): Promise<number> => {
  const run = await followRun(runId, runs, process.stdout, signal);
  if (run === undefined || run.state === "running") {
    process.stdout.write("\nInterrupted. The next start, or ebb run, goes on where it stopped.\n");
    return signal?.aborted === true ? 130 : 1;
  }
  process.stdout.write(summaryOf(run, folder));
  return run.state === "succeeded" ? 0 : 1;
};
