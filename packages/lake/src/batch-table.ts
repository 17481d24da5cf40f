/**
 * Tables that batch runs write. A view is always as fresh as `raw_events`; a batch table is as fresh as the run that
 * wrote it, and is replaced a partition at a time.
 */
import type { Dialect } from "./dialect.ts";
import type { ViewColumn } from "./table.ts";

/** What the SQL of a batch table may depend on besides the tables it reads. Plain data: it is part of a run's record. */
export interface BatchParameters {
  /** Nothing from this instant on is known: features use `occurred_at < cutoff`. RFC 3339, UTC. */
  readonly cutoff?: string;
  /** Length of the label window after the cutoff, days: labels use (cutoff, cutoff + horizon]. */
  readonly horizonDays?: number;
  /** Months `YYYY-MM` that are written anew; every month where absent. */
  readonly months?: readonly string[];
  /** Documents that the SQL is rendered from (cut points, a segment map, a fitted model), by name. */
  readonly documents?: Readonly<Record<string, unknown>>;
}

export interface BatchTable {
  readonly name: string;
  /** What one row is: the first line of its SQL and of its docs. */
  readonly grain: string;
  /** Columns that identify a row. */
  readonly key: readonly string[];
  /** In the order of the SELECT; the partition column, where there is one, is the last. */
  readonly columns: Readonly<Record<string, ViewColumn>>;
  /**
   * `month`: text `YYYY-MM`; `cutoff`: text `YYYY-MM-DD`. A write replaces the partitions that its rows fall into, or
   * that its parameters name; a table without partitions is replaced whole.
   */
  readonly partitionedBy?: "month" | "cutoff";
  /**
   * Where one month by itself costs its share of the whole and little more: a SELECT of `month`, every month that may have
   * rows. An engine for which it is dear to write many partitions at once writes one after the other.
   */
  readonly monthsSql?: (dialect: Dialect) => string;
  /** Tables and views that its SQL reads, by the names they have there. */
  readonly reads: readonly string[];
  /** The engine in AWS: Spark on EMR Serverless for the heavy history, Athena for the rest. On one machine DuckDB. */
  readonly engine: "spark" | "athena";
  /** SELECT-only, the same rows in every dialect. */
  readonly sql: (dialect: Dialect, parameters: BatchParameters) => string;
  /** Promises about its rows: each SELECT returns the rows that break one. Portable SQL. */
  readonly tests: Readonly<Record<string, string>>;
}

/** A SELECT with the grain on its first line. */
export const renderBatch = (table: BatchTable, dialect: Dialect, parameters: BatchParameters): string =>
  `-- ${table.grain}\n${table.sql(dialect, parameters).trim()}\n`;
