/** `ebb tables`: the catalogue of the lake, from the declarations that make its tables: docs/tables.md, and the sources of a home. */
import { existsSync } from "node:fs";
import path from "node:path";
import { sourceSections } from "@ebb/functions/collect/sources/catalogue";
import { tablesPage } from "@ebb/lake/docs";
import { UsageError, optionHelp, parseOptions } from "../command-line.ts";
import { SOURCES_FILE, readSources } from "../source-files.ts";
import { filledTables } from "../told-tables.ts";

const options = {
  data: { kind: "text", value: "FOLDER", help: "the home's folder (.ebb), for its declared sources" },
  help: { kind: "flag", help: "show this" },
} as const;

const help = `Usage: ebb tables [NAME …] [OPTIONS]

The catalogue: every table and view of the lake, its grain, key, columns and what is tested of it, in Markdown, with the
tables that this home's declared sources fill; or those that are named.

${optionHelp(options)}
`;

/** None where no source is declared. @throws SourcesInvalid */
const ofSources = (folder: string): string => {
  if (!existsSync(path.join(folder, SOURCES_FILE))) return "";
  const filled = filledTables(folder);
  return `\n${sourceSections(readSources(folder), (name) => filled.get(name)).join("\n\n")}\n`;
};

export const run = async (args: readonly string[]): Promise<number> => {
  const { values, positionals } = parseOptions(options, args);
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const page = tablesPage() + ofSources(path.resolve(values.data ?? ".ebb"));
  if (positionals.length === 0) {
    process.stdout.write(page);
    return 0;
  }
  const sections = page.split(/^(?=## )/m);
  const found = positionals.map((name) => {
    const section = sections.find((text) => text.startsWith(`## \`${name}\``));
    if (section === undefined) throw new UsageError(`There is no table "${name}". ebb tables tells all.`);
    return section;
  });
  process.stdout.write(found.join(""));
  return 0;
};
