/** The curated views on every engine, over drawn edge cases. The public files are in files.engines.test.ts. */
import path from "node:path";
import type { StreamEvent } from "@ebb/core/stream-event";
import { type View, render } from "@ebb/lake/table";
import { views } from "@ebb/lake/views";
import { edgeCases } from "./edge-cases.ts";
import { temporaryFolder, writeRawEvents } from "./parquet.ts";
import { type ProofQuery, type ProofTable, proveOnEveryEngine } from "./prove.ts";

const landed = async (events: readonly StreamEvent[]): Promise<ProofTable> => {
  const folder = path.join(temporaryFolder(), "raw_events");
  await writeRawEvents(folder, events);
  return { parquet: folder };
};

const viewsOf = (): Record<string, ProofTable> =>
  Object.fromEntries(views.map((view) => [view.name, { view: (dialect) => render(view, dialect) }]));

const all = (name: string): ProofQuery => ({ sql: () => `SELECT * FROM ${name}` });
/** The names of the promises of a view that are broken. */
const promisesOf = (view: View): [string, ProofQuery] => [
  `promises of ${view.name}`,
  {
    sql: (dialect) =>
      Object.entries(view.tests)
        .map(([promise, sql]) => `SELECT ${dialect.textLiteral(promise)} AS promise FROM (${sql}) AS broken`)
        .join("\nUNION ALL\n"),
    atLeast: 0,
    expected: [],
  },
];

proveOnEveryEngine({
  title: "views over edge cases",
  tables: async () => ({ raw_events: await landed(edgeCases(200)), ...viewsOf() }),
  queries: {
    raw_events: all("raw_events"),
    ...Object.fromEntries(views.map(({ name }) => [name, all(name)])),
    ...Object.fromEntries(views.map(promisesOf)),
  },
});
