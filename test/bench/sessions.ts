/** Sessions of page events, against one scan of them with one window function. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { renderBatch } from "@ebb/lake/batch-table";
import { botDays } from "@ebb/lake/batch/bot-days";
import { curatedActivity } from "@ebb/lake/batch/curated";
import { sessions } from "@ebb/lake/batch/sessions";
import { duckdbType } from "@ebb/lake/columns";
import { duckdb } from "@ebb/lake/dialect";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { Bench } from "./result.ts";
import { type Taken, both, timed } from "./taken.ts";

const TARGET = 5;
const MEMORY_MB = 4_096;
const YEAR_MS = 365 * 86_400_000;

/** What a scan with one window function is: the time since the visitor's event before, over the same files. */
const floorSql = `
SELECT max(event_ms - previous_ms) AS longest, count(previous_ms) AS followed
FROM (
  SELECT
    epoch_ms(occurred_at) AS event_ms,
    lag(epoch_ms(occurred_at)) OVER (
      PARTITION BY source, coalesce(anonymous_key, customer_key) ORDER BY occurred_at, event_id
    ) AS previous_ms
  FROM curated_activity
)`;

/** Visits of seven pages on average, a minute and a half between two; a visitor comes back four times. One in six signs in. */
const eventsSql = (events: number): string => {
  const made: Readonly<Record<string, string>> = {
    event_id: "'evt_' || md5('e' || number)",
    kind: "CASE WHEN hash(number * 3) % 3 = 0 THEN 'product_viewed' ELSE 'page' END",
    source: "'shop'",
    occurred_at: `TIMESTAMP '2025-01-01' + to_milliseconds(CAST(hash(visit * 5) % ${YEAR_MS} + page * 90000 AS BIGINT))`,
    received_at: "TIMESTAMP '2026-01-01'",
    receipt_id: "'rcp_' || (number // 100)",
    receipt_number: "number % 100",
    anonymous_key: "'ano_' || md5('a' || visitor)",
    customer_key: "CASE WHEN visitor % 6 = 0 THEN 'cus_' || md5('c' || visitor) END",
    page_path: "'/products/' || hash(number * 7) % 4000",
    referrer_host: "CASE WHEN page = 0 THEN ['www.search.example', 'mail.example'][1 + visit % 2] END",
    campaign: 'CASE WHEN page = 0 AND visit % 5 = 0 THEN \'{"source":"letter","name":"spring"}\' END',
    device: "['desktop', 'mobile', 'tablet'][1 + visitor % 3]",
    country: "['DE', 'GB', 'FR'][1 + visitor % 3]",
    month: "strftime(occurred_at, '%Y-%m')",
  };
  const columns = Object.entries(curatedActivity.columns).map(
    ([name, { type }]) =>
      `CAST(${made[name] ?? "NULL"} AS ${duckdbType({ type: type as Parameters<typeof duckdbType>[0]["type"] })}) AS ${name}`,
  );
  return `
SELECT ${columns.join(", ")}
FROM (
  SELECT number, number // 7 AS visit, number % 7 AS page, CAST(hash(number // 7) % ${Math.ceil(events / 28)} AS BIGINT) AS visitor
  FROM range(${events}) AS generated (number)
)`;
};

const fastest = async (turns: number, work: () => Promise<unknown>): Promise<Taken> => {
  const taken: Taken[] = [];
  for (let turn = 0; turn < turns; turn++) taken.push(await timed(work));
  return taken.sort((a, b) => a.cpuMs - b.cpuMs)[0]!;
};

const countOf = async (connection: DuckDBConnection, table: string): Promise<number> =>
  Number((await connection.runAndReadAll(`SELECT count(*) FROM ${table}`)).getRows()[0]![0]);

export const sessionsBench: Bench = async ({ quick }) => {
  const events = Number(process.env["EBB_BENCH_PAGES"] ?? (quick ? 500_000 : 20_000_000));
  const folder = await mkdtemp(path.join(tmpdir(), "ebb-bench-sessions-"));
  const instance = await DuckDBInstance.create(":memory:", {
    memory_limit: `${MEMORY_MB}MB`,
    threads: "2",
    temp_directory: path.join(folder, "spill"),
  });
  try {
    const connection = await instance.connect();
    const file = path.join(folder, "activity.parquet");
    await connection.run(`COPY (${eventsSql(events)}) TO '${file}' (FORMAT parquet, COMPRESSION snappy)`);
    await connection.run(`CREATE VIEW curated_activity AS SELECT * FROM read_parquet('${file}')`);
    const write = (table: typeof sessions, to: string) =>
      connection.run(`CREATE OR REPLACE TEMP TABLE ${to} AS ${renderBatch(table, duckdb, {})}`);
    const machines = await fastest(1, () => write(botDays, "bot_days"));
    const turns = quick ? 1 : 3;
    const floor = await fastest(turns, () => connection.run(floorSql));
    const made = await fastest(turns, () => write(sessions, "sessions"));
    const times = `${(made.ms / floor.ms).toFixed(1)} (CPU ${(made.cpuMs / floor.cpuMs).toFixed(1)})`;
    return {
      name: "sessions",
      title: "Sessions of page events",
      method:
        `${events.toLocaleString("en")} page and product views of ${Math.ceil(events / 28).toLocaleString("en")} visitors over a ` +
        `year, in one Parquet file; DuckDB with two threads and ${MEMORY_MB.toLocaleString("en")} MB makes the table ` +
        "`sessions` of them, all months at once. The floor is one scan of the same file with one window function: the " +
        `time since each visitor's event before. The least CPU of ${turns}.`,
      figures: [
        { what: "a scan with one window function", value: both(floor) },
        { what: `${(await countOf(connection, "sessions")).toLocaleString("en")} sessions`, value: both(made) },
        { what: "days of machines, before", value: both(machines) },
        { what: `sessions ÷ scan (at most ${TARGET})`, value: times },
      ],
      target: { what: `at most ${TARGET} times the scan`, met: made.cpuMs <= TARGET * floor.cpuMs },
    };
  } finally {
    instance.closeSync();
    await rm(folder, { recursive: true, force: true });
  }
};
