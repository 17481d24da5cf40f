/** `ebb keys`: the keys of a folder. A key is shown once, when it is made; a running home knows it within a second. */
import { existsSync } from "node:fs";
import path from "node:path";
import { EmbeddedKeyRing } from "@ebb/ports/embedded/key-ring";
import { UsageError, optionHelp, parseOptions } from "../command-line.ts";

const options = {
  data: { kind: "text", value: "FOLDER", help: "the home's folder (.ebb)" },
  source: {
    kind: "text",
    value: "NAME",
    help: "what events sent with a new write key belong to (shop)",
    check: (text: string) => (/^[\w.-]{1,64}$/.test(text) ? undefined : "at most 64 letters, digits and _.-"),
  },
  help: { kind: "flag", help: "show this" },
} as const;

const help = `Usage: ebb keys [list | make write | make read | remove ID] [OPTIONS]

${optionHelp(options)}
`;

export const run = async (args: readonly string[]): Promise<number> => {
  const { values, positionals } = parseOptions(options, args);
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const folder = path.resolve(values.data ?? ".ebb");
  if (!existsSync(path.join(folder, "keys.json"))) {
    process.stderr.write(`${folder} holds no home. Start one with ebb start.\n`);
    return 1;
  }
  const keys = new EmbeddedKeyRing(folder);
  const [action = "list", what] = positionals;
  if (action === "list" && what === undefined) {
    for (const { id, scope, source } of keys.list()) process.stdout.write(`${id}  ${scope.padEnd(5)}  ${source}\n`);
    return 0;
  }
  if (action === "make" && (what === "write" || what === "read")) {
    process.stdout.write(`${keys.create(what, values.source ?? "shop")}\n`);
    return 0;
  }
  if (action === "remove" && what !== undefined) {
    if (keys.remove(what)) return 0;
    process.stderr.write(`There is no key ${what}; ebb keys lists them.\n`);
    return 1;
  }
  throw new UsageError(help);
};
