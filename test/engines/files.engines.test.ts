/**
 * The public files on every engine: the curated views by rows and by sums. With EBB_ENGINES_WHOLE=1, which takes a
 * quarter of an hour and more, all of CDNOW, and also every table that a batch run over them writes, every SELECT whose
 * rows it reads back, and all that the API asks of the tables; `batch.engines.test.ts` asks the same of generated
 * histories and of some customers of these files.
 */
import path from "node:path";
import { erasedDays, touchedDays } from "@ebb/lake/batch/curated";
import { type View, render } from "@ebb/lake/table";
import { views } from "@ebb/lake/views";
import { missing } from "../uploads/online-retail-file.ts";
import { type Asked, martQueries } from "./mart-queries.ts";
import { temporaryFolder, writeRawEvents } from "./parquet.ts";
import { type ProofQuery, type ProofTable, proveOnEveryEngine } from "./prove.ts";
import { type PublicFile, publicEvents } from "./public-events.ts";
import { type RunToRecord, recordedRun } from "./recorded-run.ts";

const whole = process.env["EBB_ENGINES_WHOLE"] === "1";

/** The public files tell of orders alone. */
const ofOrders = views.filter(({ name }) => !["web_activity", "social_activity", "identities"].includes(name));
const viewTables = (of: readonly View[]): Record<string, ProofTable> =>
  Object.fromEntries(of.map((view) => [view.name, { table: (dialect) => render(view, dialect) }]));

const all = (name: string): ProofQuery => ({ sql: () => `SELECT * FROM ${name}` });
/** Every line is in one of the sums, which are by kind, month and the beginning of the product's id. */
const sumsOfLines: ProofQuery = {
  sql: (dialect) => `
    SELECT
      entry, ${dialect.truncMonth("occurred_at")} AS month, substr(coalesce(product_id, ''), 1, 2) AS products,
      count(*) AS rows_there, count(customer_key) AS with_customer, count(DISTINCT order_key) AS orders_there,
      CAST(sum(total_minor) AS bigint) AS total_minor, CAST(sum(quantity) AS decimal(38,6)) AS quantity,
      CAST(sum(quantity * unit_price) AS decimal(38,12)) AS value_there,
      min(occurred_at) AS first_at, max(occurred_at) AS last_at, max(line_number) AS last_line, min(name) AS first_name
    FROM order_lines
    GROUP BY entry, ${dialect.truncMonth("occurred_at")}, substr(coalesce(product_id, ''), 1, 2)`,
  atLeast: 200,
};
/** One order in 16 with all its columns: the hash of an id's text is the same everywhere. */
const slice = (view: string, by = "event_id"): ProofQuery => ({
  sql: (dialect) => `SELECT * FROM ${view} WHERE substr(${dialect.sha256(by)}, 1, 1) = '0'`,
  atLeast: 1_000,
});

interface FileProof extends PublicFile {
  readonly title: string;
  readonly more: Readonly<Record<string, ProofQuery>>;
  readonly run: RunToRecord;
  /** What the API asks, and of which answers there are no rows. */
  readonly api?: {
    readonly asked: Omit<Asked, "asOf" | "customers">;
    readonly atLeast: Readonly<Record<string, number>>;
  };
}

const overFile = async (proof: FileProof): Promise<void> => {
  const { title, file, more, run, api } = proof;
  const skip = missing(file);
  if (skip !== false) {
    proveOnEveryEngine({ title, skip, tables: {}, queries: {} });
    return;
  }
  const events = await publicEvents(proof);
  const recorded = whole ? await recordedRun(events, run) : { customers: [], tables: {}, queries: {} };
  const [erased, ...customers] = recorded.customers;
  proveOnEveryEngine({
    title,
    tables: async () => {
      const folder = path.join(temporaryFolder(), "raw_events");
      await writeRawEvents(folder, events);
      return {
        raw_events: { parquet: folder },
        ...viewTables(ofOrders),
        ...(erased === undefined
          ? {}
          : { erased_customers: { table: () => `SELECT '${erased}' AS customer_key` }, ...recorded.tables }),
      };
    },
    queries: {
      "orders, one in 16": slice("orders", "order_id"),
      refunds: { ...all("refunds"), atLeast: 0 },
      customer_rfm: { ...all("customer_rfm"), key: ["customer_key"], atLeast: 4_372 },
      profiles: { ...all("profiles"), key: ["customer_key"], atLeast: 4_372 },
      "order_entries, one in 16": slice("order_entries"),
      ...more,
      ...recorded.queries,
      ...(whole ? ofRun(customers, run, api) : {}),
    },
  });
};

const ofRun = (
  customers: readonly string[],
  run: RunToRecord,
  api: FileProof["api"],
): Readonly<Record<string, ProofQuery>> => ({
  // The tables are made without them.
  "months of the erased": { sql: () => erasedDays(), atLeast: 0 },
  "days that arrivals touched": { sql: (dialect) => touchedDays(dialect, "2000-01-01") },
  ...(api === undefined ? {} : asking(api, run.asOf, customers)),
});

/** There are no visits and no posts in the files. */
const asking = ({ asked, atLeast }: NonNullable<FileProof["api"]>, asOf: string, customers: readonly string[]) =>
  Object.fromEntries(
    Object.entries(martQueries({ ...asked, asOf, customers }, atLeast)).filter(([name]) => !/visits|posts/.test(name)),
  );

await overFile({
  title: "Online Retail",
  file: "online_retail.csv.gz",
  query: { currency: "GBP" },
  more: {
    "order_lines, one in 16": slice("order_lines"),
    "order_lines in sums": sumsOfLines,
  },
  run: { asOf: "2011-12-10", horizonDays: 120 },
  api: {
    asked: { from: "2011-03-20", to: "2011-11-07", country: "France", segment: "Champions" },
    atLeast: { movements: 0, those: 0 },
  },
});
// Its orders have no lines, no countries, and nothing is given back.
await overFile({
  title: whole ? "CDNOW" : "CDNOW, a quarter of the customers",
  file: "cdnow_master.txt.gz",
  query: {},
  ...(whole ? {} : { keys: /[0-3]$/ }),
  more: {},
  run: { asOf: "1997-10-01", horizonDays: 90 },
});
