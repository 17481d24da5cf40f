/** The catalogue as a page to read. */
import { type SourceEntry, type SourceTableEntry, columnText } from "../../collect/sources/catalogue.ts";
import { escaped, htmlPage } from "../page.ts";
import type { LakeTable } from "./lake-tables.ts";

export interface Catalogue {
  readonly sources: readonly (SourceEntry & { readonly loadedAt?: string })[];
  readonly tables: readonly LakeTable[];
}

const code = (text: string): string => `<code>${escaped(text)}</code>`;
const codes = (texts: readonly string[]): string => texts.map(code).join(", ");

const table = (header: readonly string[], rows: readonly (readonly string[])[]): string =>
  `<table><tr>${header.map((name) => `<th>${name}</th>`).join("")}</tr>${rows
    .map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`)
    .join("")}</table>`;

const sourceTable = (of: SourceTableEntry): string =>
  `<h3 id="${escaped(of.name)}">${code(of.name)}</h3><p>${escaped(of.grain)}.${of.filled ? "" : " It was not filled yet."}</p>${table(
    ["Column", "Type", "What it is"],
    of.columns.map((column) => [code(column.name), escaped(column.type ?? ""), escaped(columnText(column))]),
  )}`;

const source = (entry: Catalogue["sources"][number]): string => {
  const personal = entry.personal.map((field) => `${code(field)} <span class="mark">personal</span>`).join(", ");
  const facts: readonly (readonly [string, string])[] = [
    ["Maps to", escaped(entry.maps)],
    ["Reads", `${entry.from === undefined ? "a query" : code(entry.from)} of the connection ${code(entry.connection)}`],
    ["Events of", code(entry.of)],
    ["Key", codes(entry.key)],
    ["Watermark", entry.watermark === undefined ? "" : code(entry.watermark)],
    ["Schedule", escaped(entry.schedule)],
    ["Last loaded", escaped(entry.loadedAt ?? "")],
    ["Currency", escaped(entry.currency ?? "")],
    ["Not in the lake", personal],
  ];
  const rows = facts
    .filter(([, text]) => text !== "")
    .map(([name, text]) => `<tr><th>${name}</th><td>${text}</td></tr>`);
  return `<details id="source-${escaped(entry.name)}"><summary>${code(entry.name)} ${escaped(entry.maps)}, ${escaped(entry.schedule)}</summary>
<table>${rows.join("")}</table>${entry.tables.map(sourceTable).join("")}</details>`;
};

const lakeTable = (of: LakeTable): string => {
  const facts = [
    ...(of.key.length === 0 ? [] : [`Key: ${codes(of.key)}.`]),
    ...(of.partitionedBy === undefined ? [] : [`Partitioned by ${codes(of.partitionedBy.split(", "))}.`]),
    ...(of.madeOf.length === 0 ? [] : [`Made of ${codes(of.madeOf)}.`]),
  ];
  return `<details id="${escaped(of.name)}"><summary>${code(of.name)} ${escaped(of.grain)}</summary><p>${facts.join(" ")}</p>${table(
    ["Column", "Type", "Unit", "What it is"],
    of.columns.map(({ name, type, unit = "", description }) => [
      code(name),
      escaped(type),
      escaped(unit),
      escaped(description),
    ]),
  )}</details>`;
};

const sections: readonly (readonly [LakeTable["kind"], string, string])[] = [
  ["events", "Events", "As they arrived."],
  ["view", "Views", "Of events, each once: as fresh as the events."],
  ["run", "Tables of the batch run", "As fresh as the run that wrote them."],
];

export const cataloguePage = ({ sources, tables }: Catalogue): string => {
  const ofLake = sections.map(
    ([kind, title, text]) =>
      `<h2>${title}</h2><p>${text}</p>${tables
        .filter((one) => one.kind === kind)
        .map(lakeTable)
        .join("\n")}`,
  );
  const none = "<p>None is declared: docs/sources.md says how one is.</p>";
  return htmlPage(
    "Ebb: data catalogue",
    `<h1>Data catalogue</h1><p>Every table of the lake and every declared source, from the definitions that make them. The same names in both homes: <code>ebb sql</code> on one machine, Athena in AWS. Times are UTC; an amount <code>…_minor</code> is a whole number of minor units (cents).</p>
<h2>Declared sources</h2>${sources.length === 0 ? none : sources.map(source).join("\n")}
${ofLake.join("\n")}`,
  );
};
