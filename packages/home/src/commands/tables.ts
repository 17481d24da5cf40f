/** `ebb tables`: the catalogue of the lake, from the declarations that make its tables: the page docs/tables.md. */
import { tablesPage } from "@ebb/lake/docs";
import { UsageError, optionHelp, parseOptions } from "../command-line.ts";

const options = { help: { kind: "flag", help: "show this" } } as const;

const help = `Usage: ebb tables [NAME …]

The catalogue: every table and view of the lake, its grain, key, columns and what is tested of it, in Markdown; or those
that are named.

${optionHelp(options)}
`;

export const run = async (args: readonly string[]): Promise<number> => {
  const { values, positionals } = parseOptions(options, args);
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const page = tablesPage();
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
