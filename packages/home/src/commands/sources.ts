/** `ebb sources`: what is declared, whether it can be read, loads with their progress, and how they went. */
import path from "node:path";
import { SourcesInvalid } from "@ebb/functions/collect/sources";
import { accepted } from "@ebb/functions/collect/sources/accept";
import { seenObjects } from "@ebb/functions/collect/sources/objects";
import { openRows } from "@ebb/functions/collect/sources/open";
import { shapeOf } from "@ebb/functions/collect/sources/shape";
import { EmbeddedSourceStore } from "@ebb/ports/embedded/source-store";
import { EmbeddedUploadStore } from "@ebb/ports/embedded/upload-store";
import { type LoadEnd, SourceProblem } from "@ebb/ports/source-ports";
import { UsageError, optionHelp, parseOptions } from "../command-line.ts";
import { NoHome, TaskFailed, reachHome, task } from "../running-home.ts";
import { SOURCES_FILE, readSources } from "../source-files.ts";
import { openObjects } from "../source-openers.ts";

const options = {
  data: { kind: "text", value: "FOLDER", help: "the home's folder (.ebb)" },
  help: { kind: "flag", help: "show this" },
} as const;

const help = `Usage: ebb sources [list | check [NAME] | run NAME | status [NAME] | accept NAME] [OPTIONS]

  list    the sources that ${SOURCES_FILE} in the home's folder declares
  check   connects and compares the fields with the declaration; changes nothing
  run     loads a source now, by the running home
  status  how the last loads went
  accept  takes fields whose type changed: the next load reads everything again

${optionHelp(options)}
`;

const out = (line: string): void => void process.stdout.write(`${line}\n`);

export const run = async (args: readonly string[]): Promise<number> => {
  const { values, positionals } = parseOptions(options, args);
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const folder = path.resolve(values.data ?? ".ebb");
  const [action = "list", name, ...more] = positionals;
  if (more.length > 0) throw new UsageError(help);
  try {
    if (action === "list" && name === undefined) return list(folder);
    if (action === "check") return await check(folder, name);
    if (action === "status") return await status(folder, name);
    if (action === "run" && name !== undefined) return await load(values.data, name);
    if (action === "accept" && name !== undefined) return await accept(folder, name);
  } catch (error) {
    if (!(error instanceof NoHome || error instanceof TaskFailed || error instanceof SourcesInvalid)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
  throw new UsageError(help);
};

const list = (folder: string): number => {
  const sources = readSources(folder);
  if (sources.length === 0) out(`${path.join(folder, SOURCES_FILE)} declares no source. docs/sources.md shows how.`);
  for (const { kind, spec } of sources) {
    const when =
      spec.schedule === undefined
        ? "on demand"
        : "at" in spec.schedule
          ? `daily at ${spec.schedule.at}`
          : `every ${spec.schedule.every / 60} minutes`;
    out(`${spec.name.padEnd(24)}${kind.padEnd(12)}${("maps" in spec ? spec.maps : "files").padEnd(18)}${when}`);
  }
  return 0;
};

/** The sources of a name, or all. @throws UsageError */
const named = (folder: string, name: string | undefined): ReturnType<typeof readSources> => {
  const sources = readSources(folder).filter(({ spec }) => name === undefined || spec.name === name);
  if (sources.length === 0 && name !== undefined) throw new UsageError(`There is no source "${name}".`);
  return sources;
};

const check = async (folder: string, name: string | undefined): Promise<number> => {
  let faults = 0;
  for (const source of named(folder, name)) {
    try {
      if (source.kind === "objects") {
        await checkObjects(source, folder);
        continue;
      }
      const { load: spec, reader } = await openRows(source, folder);
      try {
        const { plan, linesPlan } = shapeOf(spec);
        const fields = [
          ...(await reader.describe(plan)),
          ...(linesPlan === undefined ? [] : await reader.describe(linesPlan)),
        ];
        out(`${source.spec.name}: ${fields.length} fields can be read`);
        for (const field of fields) out(`  ${field.name.padEnd(28)}${field.type.padEnd(32)}${field.lake}`);
      } finally {
        await reader.close();
      }
    } catch (error) {
      if (!(error instanceof SourceProblem)) throw error;
      process.stderr.write(`${error.message}\n`);
      faults++;
    }
  }
  return faults === 0 ? 0 : 1;
};

const checkObjects = async (
  source: Extract<ReturnType<typeof readSources>[number], { kind: "objects" }>,
  folder: string,
): Promise<void> => {
  const uploads = new EmbeddedUploadStore(folder);
  try {
    const counts = { new: 0, young: 0, under_way: 0, taken: 0, failed: 0 };
    const from = await openObjects(source, folder);
    for await (const { state } of seenObjects({ now: Date.now, uploads }, source.spec, from)) counts[state]++;
    out(
      `${source.spec.name}: ${counts.new} objects to be taken, ${counts.young} too young, ${counts.under_way} under way, ${counts.taken} taken, ${counts.failed} failed`,
    );
  } finally {
    uploads.close();
  }
};

const toldOf = ({ outcome, startedAtMs, endedAtMs, attempts, counts, tables, problem, objects }: LoadEnd): string[] => {
  const nulled = Object.entries(counts.nulled).map(([field, count]) => `${field} ${count.toLocaleString("en")}`);
  return [
    `${new Date(startedAtMs).toISOString()}  ${outcome} after ${((endedAtMs - startedAtMs) / 1000).toFixed(1)} s${attempts > 1 ? `, in ${attempts} attempts` : ""}: ${counts.read.toLocaleString("en")} rows read, ${counts.events.toLocaleString("en")} events, ${counts.quarantined.toLocaleString("en")} quarantined`,
    ...(tables ?? []).map(
      (table) =>
        `  ${table.name}: ${table.rows.toLocaleString("en")} rows; ${table.inserted.toLocaleString("en")} inserted, ${table.updated.toLocaleString("en")} updated, ${table.deleted.toLocaleString("en")} deleted`,
    ),
    ...(objects === undefined
      ? []
      : [
          `  ${objects.taken} objects taken, ${objects.failed} failed, ${objects.young} left because they are too young, ${objects.unfinished} not at their end, ${objects.before} looked at by a load before`,
          ...objects.failures.map(({ key, message }) => `  ${key}: ${message}`),
        ]),
    ...(counts.passed === undefined
      ? []
      : [`  ${counts.passed.toLocaleString("en")} items belong to something else and were passed over`]),
    ...(nulled.length === 0 ? [] : [`  null because no calendar or number type holds them: ${nulled.join(", ")}`]),
    ...(problem === undefined ? [] : [`  ${problem.message}`]),
  ];
};

const status = async (folder: string, name: string | undefined): Promise<number> => {
  const sources = named(folder, name);
  const store = new EmbeddedSourceStore(folder);
  try {
    for (const { spec } of sources) {
      const state = await store.get(spec.name);
      out(
        `${spec.name}: ${state?.loadedAtMs === undefined ? "never loaded" : `loaded ${new Date(state.loadedAtMs).toISOString()}`}`,
      );
      if (state?.underWay !== undefined)
        out(
          `  under way or stopped half-way: ${state.underWay.counts.read.toLocaleString("en")} rows in ${state.underWay.parts} parts`,
        );
      for (const end of await store.ends(spec.name, 5)) for (const line of toldOf(end)) out(`  ${line}`);
    }
  } finally {
    store.close();
  }
  return 0;
};

const load = async (data: string | undefined, name: string): Promise<number> => {
  const home = await reachHome(data);
  const isTerminal = process.stdout.isTTY;
  let told = 0;
  const end = (await task(home, "sources", { name }, (read) => {
    if (isTerminal) process.stdout.write(`\r\u001b[2K${read.toLocaleString("en")} rows`);
    else if (read >= told + 100_000) out(`${(told = read).toLocaleString("en")} rows`);
  })) as LoadEnd | undefined;
  if (isTerminal) process.stdout.write("\r\u001b[2K");
  if (end === undefined) out("The load stopped behind a checkpoint; the next one goes on.");
  else for (const line of toldOf(end)) out(line);
  return 0;
};

const accept = async (folder: string, name: string): Promise<number> => {
  named(folder, name);
  const store = new EmbeddedSourceStore(folder);
  try {
    const state = await store.get(name);
    if (state === undefined) out(`${name} was never loaded: there is nothing to accept.`);
    else {
      await store.put(accepted(state));
      out(`The next load of ${name} takes the fields as they are and reads everything.`);
    }
  } finally {
    store.close();
  }
  return 0;
};
