/** `ebb status`: what the running home is doing. */
import { UsageError, optionHelp, parseOptions } from "../command-line.ts";
import type { HomeStatus } from "../home.ts";
import { NoHome, control, reachHome } from "../running-home.ts";

const options = {
  data: { kind: "text", value: "FOLDER", help: "the home's folder (.ebb)" },
  json: { kind: "flag", help: "as JSON" },
  help: { kind: "flag", help: "show this" },
} as const;

export const run = async (args: readonly string[]): Promise<number> => {
  const { values, positionals } = parseOptions(options, args);
  if (values.help === true) {
    process.stdout.write(`Usage: ebb status [OPTIONS]\n\nWhat the running home is doing.\n\n${optionHelp(options)}\n`);
    return 0;
  }
  if (positionals.length > 0) throw new UsageError(`ebb status takes no "${positionals.join(" ")}".`);
  try {
    const home = await reachHome(values.data);
    const status = (await (await control(home, "GET", "status")).json()) as HomeStatus;
    process.stdout.write(values.json === true ? `${JSON.stringify(status, undefined, 2)}\n` : text(status));
    return 0;
  } catch (error) {
    if (!(error instanceof NoHome)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
};

const text = (status: HomeStatus): string => {
  const behind = (at: number, words: string): string =>
    at >= status.head ? "up to date" : `${(status.head - at).toLocaleString("en")} records ${words}`;
  const lines = [
    ["address", status.url],
    ["events", status.events.toLocaleString("en")],
    ["score", behind(status.scored, "behind")],
    ["land", behind(status.landed, "wait for the next file")],
    ["uploads", status.uploads === 0 ? "none waiting" : `${status.uploads} waiting or under way`],
    ["batch run", status.run ?? "none under way"],
    ...Object.entries(status.workers).map(([name, { state, crashes }]) => [
      `thread ${name}`,
      crashes === 0 ? state : `${state}, started again ${crashes} times`,
    ]),
    ...status.counts.map(({ name, dimensions, value }) => [
      name,
      [value.toLocaleString("en"), ...Object.entries(dimensions).map(([key, dimension]) => `${key} ${dimension}`)].join(
        ", ",
      ),
    ]),
  ];
  const width = Math.max(...lines.map(([name]) => name!.length)) + 2;
  return lines.map(([name, value]) => `${name!.padEnd(width)}${value}\n`).join("");
};
