/** `ebb restore BACKUP --data FOLDER`: puts a backup into a new folder, with the list of erased people over it. */
import { existsSync } from "node:fs";
import path from "node:path";
import { BackupError, readBackup, restoreBackup } from "@ebb/ports/embedded/backup";
import { openSecrets } from "@ebb/ports/embedded/configuration";
import { SUPPRESSIONS_FILE } from "@ebb/ports/embedded/suppressions";
import { UsageError, optionHelp, parseOptions } from "../command-line.ts";
import { progressBar } from "../progress-bar.ts";
import { eraseAgain } from "../erase-again.ts";
import { copySuppressions } from "../suppression-copies.ts";

const options = {
  data: { kind: "text", value: "FOLDER", help: "where the home is to be; new or empty (.ebb)" },
  suppressions: {
    kind: "text",
    value: "FOLDER",
    help: "the folder with the newest copy of the list of erased people (ebb backup --suppressions)",
  },
  "without-suppressions": {
    kind: "flag",
    help: "restore although the list is lost: who was erased after the backup comes back",
  },
  help: { kind: "flag", help: "show this" },
} as const;

const help = `Usage: ebb restore BACKUP [OPTIONS]

Puts a backup that ebb backup made into a new folder; every file is checked by its hash. Then start it with
ebb start --data FOLDER, and check it with ebb audit --data FOLDER.

${optionHelp(options)}
`;

export const run = async (args: readonly string[]): Promise<number> => {
  const { values, positionals } = parseOptions(options, args);
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const [from, ...more] = positionals;
  if (from === undefined || more.length > 0)
    throw new UsageError("ebb restore takes one backup. See ebb restore --help.");
  const home = path.resolve(values.data ?? ".ebb");
  const list = values.suppressions;
  try {
    const { suppressed } = await readBackup(from);
    if (list !== undefined && !existsSync(path.join(list, SUPPRESSIONS_FILE)))
      throw new BackupError(`${list} holds no ${SUPPRESSIONS_FILE}.`);
    const known = list !== undefined || existsSync(path.join(home, SUPPRESSIONS_FILE));
    if (suppressed > 0 && !known && values["without-suppressions"] !== true)
      throw new BackupError(
        `${suppressed.toLocaleString("en")} people had been erased when this backup was made. Give their list with --suppressions FOLDER, so that nobody comes back; --without-suppressions if it is lost.`,
      );
    const bar = progressBar("Restore", "bytes", process.stderr, () => performance.now());
    const backup = await restoreBackup(from, home, (done, share) => bar.update(done, share));
    bar.end();
    const people = list === undefined ? 0 : await copySuppressions(home, path.resolve(list), home);
    const again = await eraseAgain(home, openSecrets(home).suppressionSecret, Date.now());
    process.stdout.write(
      `${backup.log.events.toLocaleString("en")} events as of ${backup.takenAt} are in ${home}.\n` +
        (people > 0 ? `${people.toLocaleString("en")} people stay erased.\n` : "") +
        (again > 0
          ? `${again.toLocaleString("en")} of them are in the backup: the home erases them again when it starts.\n`
          : "") +
        `Keys that were revoked after the backup are valid again: look at ebb keys --data ${home}.\n` +
        `Start it with ebb start --data ${home}; check it with ebb audit --data ${home}.\n`,
    );
    return 0;
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
};
