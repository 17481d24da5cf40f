/** `ebb replay`: what was refused or given up is sent again; or the customer store is rebuilt from the lake. */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseInstant } from "@ebb/core/time";
import { UsageError, optionHelp, parseOptions } from "../command-line.ts";
import { FolderInUse, lockFolder } from "../folder-lock.ts";
import type { Replayed } from "../home-replay.ts";
import { progressBar } from "../progress-bar.ts";
import { NoHome, TaskFailed, reachHome, task } from "../running-home.ts";
import { selectionOptions } from "./quarantine.ts";

const SOURCES = ["quarantine", "dead-letters", "lake"];

const options = {
  data: { kind: "text", value: "FOLDER", help: "the home's folder (.ebb)" },
  from: {
    kind: "text",
    value: "WHERE",
    help: "quarantine, dead-letters or lake (quarantine)",
    check: (text: string) => (SOURCES.includes(text) ? undefined : `"${text}" is none of ${SOURCES.join(", ")}.`),
  },
  ...selectionOptions,
  resume: { kind: "text", value: "ID", help: "go on with the replay of this id, which was cut off" },
  into: {
    kind: "text",
    value: "FOLDER",
    help: "from the lake: where the rebuilt customer store is put (rebuilt in the home)",
  },
  replace: {
    kind: "flag",
    help: "from the lake: put the rebuilt store in the place of the home's, which must not run",
  },
  help: { kind: "flag", help: "show this" },
} as const;

const help = `Usage: ebb replay [OPTIONS]

Sends what is in quarantine again, after a fix: of a reason, of an upload, since an instant. Rows of a file go as a file of
their own. What was taken or refused again is noted at each item, and has its own lines in the ledger. Items that were sent
again before are left alone. --from dead-letters brings records that the score stage gave up to it again.

--from lake rebuilds the customer store from the curated orders and the raw events that no run has curated yet, beside the
live one, and compares every customer. A replay that was cut off goes on where it stopped.

${optionHelp(options)}
`;

export const run = async (args: readonly string[]): Promise<number> => {
  const { values, positionals } = parseOptions(options, args);
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  if (positionals.length > 0)
    throw new UsageError(`ebb replay takes no "${positionals.join(" ")}". See ebb replay --help.`);
  const from = values.from ?? "quarantine";
  if (from !== "lake" && (values.into !== undefined || values.replace === true))
    throw new UsageError("--into and --replace are for --from lake.");
  const home = path.resolve(values.data ?? ".ebb");
  if (!existsSync(path.join(home, "log.db")) && !existsSync(path.join(home, "lake"))) {
    process.stderr.write(`There is no home in ${home}. --data names another folder.\n`);
    return 1;
  }
  const { RebuildError } = await import("../rebuild.ts");
  try {
    if (from === "lake")
      return await fromLake(home, path.resolve(values.into ?? path.join(home, "rebuilt")), values.replace === true);
    const query: Record<string, string> = { from, id: values.resume ?? randomUUID() };
    if (values.reason !== undefined) query["code"] = values.reason;
    if (values.upload !== undefined) query["receipt"] = values.upload;
    if (values.since !== undefined) query["since"] = String(parseInstant(values.since));
    return await inHome(values.data, home, query);
  } catch (error) {
    if (!(error instanceof TaskFailed || error instanceof FolderInUse || error instanceof RebuildError)) throw error;
    process.stderr.write(`${error.message}${error instanceof FolderInUse ? " Stop it first." : ""}\n`);
    return 1;
  }
};

/** By the home that runs; where none does, one that nobody is told of does it. */
const inHome = async (data: string | undefined, home: string, query: Record<string, string>): Promise<number> => {
  const running = await reachHome(data).catch((error: unknown) => {
    if (error instanceof NoHome) return undefined;
    throw error;
  });
  const bar = progressBar("Replay", "items", process.stderr, () => performance.now());
  const update = (done: number, share: number): void => bar.update(done, share);
  process.stderr.write(
    `Replay ${query["id"]!}: if it is cut off, --resume ${query["id"]!} with the same options goes on.\n`,
  );
  let answer;
  if (running !== undefined) answer = await task(running, "replay", query, update);
  else {
    const { startHome } = await import("../home.ts");
    const own = await startHome({ folder: home, port: 0 });
    try {
      answer = await task({ url: own.url, controlToken: own.controlToken }, "replay", query, update);
      await own.settled();
    } finally {
      await own.close();
    }
  }
  bar.end();
  const { appended, refused, passedOver } = answer as Replayed;
  process.stdout.write(`${appended.toLocaleString("en")} taken, ${refused.toLocaleString("en")} refused again.\n`);
  for (const [why, count] of Object.entries(passedOver))
    process.stdout.write(`${count.toLocaleString("en")} not sent: ${why}.\n`);
  return refused === 0 && Object.keys(passedOver).length === 0 ? 0 : 1;
};

const fromLake = async (home: string, target: string, replace: boolean): Promise<number> => {
  const { compareWithLive, rebuildCustomers } = await import("../rebuild.ts");
  const stopping = new AbortController();
  process.once("SIGINT", () => stopping.abort());
  const bar = progressBar("Rebuild", "events", process.stderr, () => performance.now());
  const unlock = replace ? lockFolder(home) : undefined;
  try {
    const rebuilt = await rebuildCustomers(home, target, {
      onProgress: (events, share) => bar.update(events, share),
      signal: stopping.signal,
    });
    bar.end();
    process.stdout.write(
      `${rebuilt.customers.toLocaleString("en")} customers from ${rebuilt.events.toLocaleString("en")} order events, as of record ${rebuilt.offset.toLocaleString("en")}.\n`,
    );
    if (replace) {
      await putInPlace(home, target);
      process.stdout.write("They are in the place of the home's; the next start goes on from the log.\n");
      return 0;
    }
    const { customers, count, differing, offset } = await compareWithLive(home, target);
    if (offset > rebuilt.offset)
      process.stdout.write(
        `With what the log has beyond the lake, up to record ${offset.toLocaleString("en")}: ${customers.toLocaleString("en")} customers.\n`,
      );
    process.stdout.write(
      count === 0
        ? `Every one of ${customers.toLocaleString("en")} equals the live one in every field. ${target} may be removed.\n`
        : `${count.toLocaleString("en")} of ${customers.toLocaleString("en")} differ from the live ones: ${differing.slice(0, 20).join(" ")}\n`,
    );
    return count === 0 ? 0 : 1;
  } finally {
    unlock?.();
  }
};

/**
 * The old write-ahead log goes first: beside the new file it would be taken for that one's own. Cut off in between, the old
 * file stands as of its last checkpoint with the offset of then, and reads the log on from there.
 */
const putInPlace = async (home: string, target: string): Promise<void> => {
  const live = path.join(home, "customers.db");
  try {
    const old = new DatabaseSync(live);
    old.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    old.close();
  } catch {
    // It cannot be read: that is why it is replaced.
  }
  for (const suffix of ["-wal", "-shm"]) await rm(live + suffix, { force: true });
  await rename(path.join(target, "customers.db"), live);
  await rm(target, { recursive: true, force: true });
};
