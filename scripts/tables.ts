/**
 * Writes what is generated from the lake's definitions: `docs/tables.md` and the snapshot of the stored columns. Refuses
 * a change that files already written could not be read with. `--check` writes nothing and fails when a file is stale.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { tablesPage } from "@ebb/lake/docs";
import { type StoredColumn, breakingChanges, rawEventsColumns, storedColumns } from "@ebb/lake/raw-events";
import { format, resolveConfig } from "prettier";

const root = path.dirname(import.meta.dirname);
const page = path.join(root, "docs/tables.md");
const snapshot = path.join(root, "packages/lake/src/raw-events.snapshot.json");

const stored = existsSync(snapshot) ? (JSON.parse(readFileSync(snapshot, "utf8")) as StoredColumn[]) : [];
const now = storedColumns(rawEventsColumns);
const broken = breakingChanges(stored, now);
if (stored.length > 0 && broken.length > 0) {
  process.stderr.write(`This change breaks stored data:\n${broken.map((line) => `  ${line}\n`).join("")}`);
  process.exit(1);
}

const written = async (file: string, text: string): Promise<{ file: string; text: string }> => ({
  file,
  text: await format(text, { ...(await resolveConfig(file)), filepath: file }),
});
const files = [await written(page, tablesPage()), await written(snapshot, JSON.stringify(now))];
const stale = files.filter(({ file, text }) => !existsSync(file) || readFileSync(file, "utf8") !== text);
if (process.argv.includes("--check")) {
  for (const { file } of stale) process.stderr.write(`${path.relative(root, file)} is stale: run scripts/tables.ts\n`);
  process.exit(stale.length === 0 ? 0 : 1);
}
for (const { file, text } of stale) {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  process.stdout.write(`${path.relative(root, file)} written\n`);
}
