/** The curated views on every engine: over drawn edge cases in full, over the public files by rows and by sums. */
import path from "node:path";
import type { StreamEvent } from "@ebb/core/stream-event";
import { type View, render } from "@ebb/lake/table";
import { views } from "@ebb/lake/views";
import { missing, read } from "../uploads/online-retail-file.ts";
import { openStores } from "../uploads/stores.ts";
import { edgeCases } from "./edge-cases.ts";
import { temporaryFolder, writeRawEvents } from "./parquet.ts";
import { type ProofQuery, type ProofTable, proveOnEveryEngine } from "./prove.ts";

const landed = async (events: readonly StreamEvent[]): Promise<ProofTable> => {
  const folder = path.join(temporaryFolder(), "raw_events");
  await writeRawEvents(folder, events);
  return { parquet: folder };
};

const viewsAs = (kind: "view" | "table", of: readonly View[]): Record<string, ProofTable> =>
  Object.fromEntries(
    of.map((view): [string, ProofTable] => {
      const sql = (dialect: Parameters<typeof render>[1]) => render(view, dialect);
      return [view.name, kind === "view" ? { view: sql } : { table: sql }];
    }),
  );

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
  tables: async () => ({ raw_events: await landed(edgeCases(200)), ...viewsAs("view", views) }),
  queries: {
    raw_events: all("raw_events"),
    ...Object.fromEntries(views.map(({ name }) => [name, all(name)])),
    ...Object.fromEntries(views.map(promisesOf)),
  },
});

/** The events that the upload handlers make of a public file. */
const uploaded = async (file: string, query: Record<string, unknown>): Promise<StreamEvent[]> => {
  const stores = await openStores();
  try {
    await stores.upload(read(file), query);
    return stores.events();
  } finally {
    stores.close();
  }
};

/** The public files tell of orders alone. */
const ofOrders = views.filter(({ name }) => !["web_activity", "social_activity", "identities"].includes(name));

const sumsOfLines: ProofQuery = {
  sql: (dialect) => `
    SELECT
      entry, product_id, ${dialect.truncMonth("occurred_at")} AS month,
      count(*) AS rows_there, count(customer_key) AS with_customer, count(DISTINCT order_key) AS orders_there,
      CAST(sum(total_minor) AS bigint) AS total_minor, CAST(sum(quantity) AS decimal(38,6)) AS quantity,
      CAST(sum(quantity * unit_price) AS decimal(38,12)) AS value_there,
      min(occurred_at) AS first_at, max(occurred_at) AS last_at, max(line_number) AS last_line, min(name) AS first_name
    FROM order_lines
    GROUP BY entry, product_id, ${dialect.truncMonth("occurred_at")}`,
};
/** One order in 16 with all its columns: the hash of an id's text is the same everywhere. */
const slice = (view: string): ProofQuery => ({
  sql: (dialect) => `SELECT * FROM ${view} WHERE substr(${dialect.sha256("event_id")}, 1, 1) = '0'`,
  atLeast: 1_000,
});

const overFile = (
  title: string,
  file: string,
  query: Record<string, unknown>,
  more: Readonly<Record<string, ProofQuery>>,
): void =>
  proveOnEveryEngine({
    title,
    skip: missing(file),
    tables: async () => ({ raw_events: await landed(await uploaded(file, query)), ...viewsAs("table", ofOrders) }),
    queries: {
      orders: { ...all("orders"), atLeast: 20_000 },
      refunds: { ...all("refunds"), atLeast: 0 },
      customer_rfm: { ...all("customer_rfm"), key: ["customer_key"], atLeast: 4_372 },
      profiles: { ...all("profiles"), key: ["customer_key"], atLeast: 4_372 },
      "order_entries, one in 16": slice("order_entries"),
      ...more,
    },
  });

overFile(
  "views over Online Retail",
  "online_retail.csv.gz",
  { currency: "GBP" },
  {
    "order_lines, one in 16": slice("order_lines"),
    "order_lines by product and month": sumsOfLines,
  },
);
// Its orders have no lines.
overFile("views over CDNOW", "cdnow_master.txt.gz", {}, {});
