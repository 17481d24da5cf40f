/** A copy of the project's source in a folder of its own, in which one line is another. */
import { cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "../..");

/** A change of one place of the source that breaks a promise. */
export interface Mutation {
  readonly name: string;
  /** From the project's root. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly from: string;
  readonly to: string;
}

const linkAll = (from: string, to: string, except: readonly string[]): void => {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from))
    if (!except.includes(name)) symlinkSync(path.join(from, name), path.join(to, name));
};

/** @throws Error where what is to be replaced does not stand exactly once: the source has moved on */
export const copyWith = (target: string, { name, file, from, to }: Mutation): void => {
  const original = path.join(root, file);
  const text = readFileSync(original, "utf8");
  const places = text.split(from).length - 1;
  if (places !== 1) throw new Error(`mutation "${name}": its line stands ${places} times in ${file}`);
  const inPackages = readdirSync(path.join(root, "packages"));
  for (const each of inPackages) {
    const own = path.join("packages", each);
    linkAll(path.join(root, own), path.join(target, own), ["src"]);
    cpSync(path.join(root, own, "src"), path.join(target, own, "src"), { recursive: true });
  }
  cpSync(path.join(root, "test/score"), path.join(target, "test/score"), { recursive: true });
  cpSync(path.join(root, "test/faults"), path.join(target, "test/faults"), { recursive: true });
  cpSync(path.join(root, "test/support"), path.join(target, "test/support"), { recursive: true });
  cpSync(path.join(root, "package.json"), path.join(target, "package.json"));
  // Packages find each other in the copy, and everything else where it is installed.
  linkAll(path.join(root, "node_modules"), path.join(target, "node_modules"), ["@ebb"]);
  const scope = path.join(target, "node_modules/@ebb");
  mkdirSync(scope);
  for (const each of inPackages) symlinkSync(path.join("../../packages", each), path.join(scope, each));
  writeFileSync(
    path.join(target, file),
    text.replace(from, () => to),
  );
};
