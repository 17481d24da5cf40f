/** `ebb backup FOLDER`: a copy of all that a home keeps as of one instant, while it runs or at rest; then it is checked. */
import { existsSync } from "node:fs";
import path from "node:path";
import { type Backup, BackupError, checkBackup, readBackup, takeBackup } from "@ebb/ports/embedded/backup";
import { UsageError, optionHelp, parseOptions } from "../command-line.ts";
import { FolderInUse, lockFolder } from "../folder-lock.ts";
import { progressBar } from "../progress-bar.ts";
import { NoHome, TaskFailed, reachHome, task } from "../running-home.ts";
import { copySuppressions } from "../suppression-copies.ts";

const options = {
  data: { kind: "text", value: "FOLDER", help: "the home's folder (.ebb)" },
  suppressions: {
    kind: "text",
    value: "FOLDER",
    help: "also bring the copy of the list of erased people in this folder up to date: it is never in the backup",
  },
  json: { kind: "flag", help: "what was backed up, as JSON" },
  help: { kind: "flag", help: "show this" },
} as const;

const help = `Usage: ebb backup FOLDER [OPTIONS]

Copies all that the home keeps, as of one instant, into a new folder. A running home goes on taking events meanwhile.
Every file is checked afterwards. ebb restore puts it back. The folder holds secrets and personal data: keep it as such.

${optionHelp(options)}
`;

export const run = async (args: readonly string[]): Promise<number> => {
  const { values, positionals } = parseOptions(options, args);
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const [target, ...more] = positionals;
  if (target === undefined || more.length > 0)
    throw new UsageError("ebb backup takes one folder to write to. See ebb backup --help.");
  const home = path.resolve(values.data ?? ".ebb");
  if (!existsSync(path.join(home, "log.db"))) {
    process.stderr.write(`There is no home in ${home}. --data names another folder.\n`);
    return 1;
  }
  try {
    await taken(values.data, home, path.resolve(target));
    const backup = await readBackup(target);
    const damaged = await checkBackup(target, backup);
    if (damaged.length > 0) throw new BackupError(`The backup is not whole: ${damaged.join("; ")}.`);
    if (values.suppressions !== undefined) await copySuppressions(home, home, path.resolve(values.suppressions));
    process.stdout.write(values.json === true ? `${JSON.stringify(backup)}\n` : summary(backup, values.suppressions));
    return 0;
  } catch (error) {
    if (!(error instanceof BackupError || error instanceof TaskFailed || error instanceof FolderInUse)) throw error;
    process.stderr.write(`${error.message}${error instanceof FolderInUse ? " Stop it first." : ""}\n`);
    return 1;
  }
};

/** By the home that runs, which owns the log; by this process where none does. */
const taken = async (data: string | undefined, home: string, target: string): Promise<void> => {
  const bar = progressBar("Backup", "bytes", process.stderr, () => performance.now());
  const update = (done: number, share: number): void => bar.update(done, share);
  const running = await reachHome(data).catch((error: unknown) => {
    if (error instanceof NoHome) return undefined;
    throw error;
  });
  if (running !== undefined) await task(running, "backup", { folder: target }, update);
  else {
    const unlock = lockFolder(home);
    try {
      await takeBackup(home, target, Date.now(), update);
    } finally {
      unlock();
    }
  }
  bar.end();
};

const summary = (backup: Backup, suppressions: string | undefined): string => {
  const bytes = backup.files.reduce((sum, file) => sum + file.bytes, 0);
  const list =
    backup.suppressed === 0
      ? ""
      : suppressions === undefined
        ? `The list of ${backup.suppressed.toLocaleString("en")} erased people is not part of it: keep a copy apart with --suppressions FOLDER.\n`
        : `The list of erased people is in ${suppressions}; give it to ebb restore.\n`;
  return (
    `${backup.log.events.toLocaleString("en")} events as of ${backup.takenAt}: ` +
    `${backup.files.length.toLocaleString("en")} files, ${bytes.toLocaleString("en")} bytes, every one checked.\n${list}`
  );
};
