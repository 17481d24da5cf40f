/** Options of the commands: declared once, from which come the parsing, the help and errors that name all faults. */

export interface OptionSpec {
  readonly kind: "flag" | "text" | "integer";
  readonly help: string;
  /** Shown in the help, e.g. `PORT`. */
  readonly value?: string;
  readonly min?: number;
  readonly max?: number;
  /** Says what is wrong with a text; `undefined` when nothing is. */
  readonly check?: (text: string) => string | undefined;
}
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

export type OptionValues<S extends OptionSpecs> = {
  readonly [K in keyof S]:
    (S[K]["kind"] extends "flag" ? boolean : S[K]["kind"] extends "integer" ? number : string) | undefined;
};

/** One or several faults of a command line; the message names all of them. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** @throws UsageError */
export const parseOptions = <const S extends OptionSpecs>(
  specs: S,
  args: readonly string[],
): { values: OptionValues<S>; positionals: string[] } => {
  const values: Record<string, boolean | number | string> = {};
  const positionals: string[] = [];
  const faults: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === "--") {
      positionals.push(...args.slice(index + 1));
      break;
    }
    if (!arg.startsWith("--")) {
      if (arg.startsWith("-") && arg !== "-")
        faults.push(`${arg} is not an option here; options are written in full, like --help.`);
      else positionals.push(arg);
      continue;
    }
    const equals = arg.indexOf("=");
    const name = equals < 0 ? arg.slice(2) : arg.slice(2, equals);
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (spec === undefined) {
      faults.push(`--${name} is not an option here.`);
      continue;
    }
    if (spec.kind === "flag") {
      if (equals >= 0) faults.push(`--${name} takes no value.`);
      values[name] = true;
      continue;
    }
    const next = args[index + 1];
    const text =
      equals >= 0 ? arg.slice(equals + 1) : next === undefined || next.startsWith("--") ? undefined : args[++index];
    const read = readValue(name, spec, text);
    if ("fault" in read) faults.push(read.fault);
    else values[name] = read.value;
  }
  if (faults.length > 0) throw new UsageError(faults.join("\n"));
  return { values: values as OptionValues<S>, positionals };
};

const readValue = (
  name: string,
  spec: OptionSpec,
  text: string | undefined,
): { value: string | number } | { fault: string } => {
  if (text === undefined || text === "") return { fault: `--${name} needs a value: ${spec.help}` };
  if (spec.kind === "text") {
    const fault = spec.check?.(text);
    return fault === undefined ? { value: text } : { fault: `--${name}: ${fault}` };
  }
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = spec;
  const value = Number(text);
  if (/^-?\d+$/.test(text) && value >= min && value <= max) return { value };
  const range = spec.max === undefined ? `${min} or more` : `${min} to ${max}`;
  return { fault: `--${name} takes a whole number, ${range}; "${text}" is none.` };
};

/** The lines of a command's help that tell its options. */
export const optionHelp = (specs: OptionSpecs): string => {
  const heads = Object.entries(specs).map(
    ([name, { kind, value }]) => `--${name}${kind === "flag" ? "" : ` ${value ?? "VALUE"}`}`,
  );
  const width = Math.max(...heads.map((head) => head.length)) + 2;
  return Object.values(specs)
    .map(({ help }, index) => `  ${heads[index]!.padEnd(width)}${help}`)
    .join("\n");
};
