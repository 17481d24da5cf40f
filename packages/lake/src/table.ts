import type { Column, ScalarType } from "./columns.ts";
import type { Dialect } from "./dialect.ts";
import type { EventTables } from "./event-tables.ts";

/** Types of the columns of views: those of stored columns, and what sums need. */
export type ViewType =
  ScalarType | "date" | "decimal(38,6)" | "decimal(38,12)" | { readonly listOf: readonly Column[] };

export interface ViewColumn {
  readonly type: ViewType;
  readonly description: string;
}

/** A view with everything that is to be said about it. */
export interface View {
  readonly name: string;
  /** What one row is: the first line of its SQL and of its docs. */
  readonly grain: string;
  /** In the order of the SELECT. */
  readonly columns: Readonly<Record<string, ViewColumn>>;
  /** SELECT-only; may read the tables of events, `raw_events` where none are given, and the views before it. */
  readonly sql: (dialect: Dialect, events?: EventTables) => string;
  /** Promises about its rows: each SELECT returns the rows that break one. Portable SQL. */
  readonly tests: Readonly<Record<string, string>>;
}

/** A SELECT with the grain on its first line. */
export const render = (view: View, dialect: Dialect, events?: EventTables): string =>
  `-- ${view.grain}\n${view.sql(dialect, events).trim()}\n`;
