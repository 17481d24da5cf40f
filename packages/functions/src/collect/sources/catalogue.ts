/** The tables that declared sources fill, as sections of the catalogue: what `docs/tables.md` is for the program's own. */
import { markdownTable } from "@ebb/lake/docs";
import type { Source } from "../sources.ts";
import { dynamoLoad } from "./dynamo.ts";
import { type LoadSpec, shapeOf } from "./shape.ts";
import type { Mapping } from "./roles.ts";

type Types = Readonly<Record<string, string>>;

/** @param typesOf columns of a table with the lake's types; `undefined` for one that was never filled */
export const sourceSections = (
  sources: readonly Source[],
  typesOf: (table: string) => Types | undefined,
): readonly string[] =>
  sources.flatMap((source): string[] => {
    if (source.kind === "objects") {
      const { name, connection, prefix, source: of } = source.spec;
      return [
        `## Source \`${name}\`\n\nFiles below \`${prefix}\` of the connection \`${connection}\`, taken as uploads are: events of the source \`${of}\`. ${loaded(source)}`,
      ];
    }
    const load = source.kind === "dynamodb" ? dynamoLoad(source.spec) : source.spec;
    const shape = shapeOf(load);
    const table = `source_${load.name}`;
    const own = section(table, about(source, load), shape.mapping, load.key, typesOf(table));
    if (shape.linesMapping === undefined) return [own];
    const lines = `source_${load.name}_lines`;
    const sentence = `One row per line of an order of \`${table}\`. Read with its order.`;
    return [own, section(lines, sentence, shape.linesMapping, load.lines!.key, typesOf(lines))];
  });

const section = (
  name: string,
  sentence: string,
  mapping: Mapping,
  key: readonly string[],
  types: Types | undefined,
): string => {
  const columns = mapping.columns.map(({ name: column, field, isCustomer }) => [
    `\`${column}\``,
    types?.[column] ?? "",
    `${isCustomer ? "Pseudonym of" : "As"} \`${field}\`${key.includes(field) ? " (key)" : ""}`,
  ]);
  const filled = types === undefined ? "\n\nIt was not filled yet." : "";
  return `## \`${name}\`\n\n${sentence}${filled}\n\n${markdownTable(["column", "type", "what it is"], columns)}`;
};

const about = (source: Exclude<Source, { kind: "objects" }>, load: LoadSpec): string => {
  const from = load.table === undefined ? "row of a query" : `row of \`${load.table}\``;
  const personal =
    load.personal.length === 0
      ? ""
      : ` Personal, and not in the lake: ${load.personal.map((field) => `\`${field}\``).join(", ")}.`;
  const currency = load.currency === undefined ? "" : ` Amounts are in ${load.currency} where no field says otherwise.`;
  return `One row per ${from} (connection \`${source.spec.connection}\`), as ${load.maps.replace("_", " ")} of the source \`${load.source}\`. ${loaded(source)}${currency}${personal}`;
};

const loaded = (source: Source): string => {
  const { schedule } = source.spec;
  const how =
    source.kind === "relational" && source.spec.watermark !== undefined ? ` by \`${source.spec.watermark.field}\`` : "";
  if (schedule === undefined) return `Loaded${how} on demand.`;
  return "at" in schedule
    ? `Loaded${how} at ${schedule.at} UTC.`
    : `Loaded${how} every ${schedule.every / 60} minutes.`;
};
