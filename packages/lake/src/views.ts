/** Every view of the lake, in the order in which they read each other. */
import { duckdb, spark, trino } from "./dialect.ts";
import { type View, render } from "./table.ts";
import { socialActivity, webActivity } from "./tables/activity.ts";
import { customerRfm } from "./tables/customer-rfm.ts";
import { orderEntries } from "./tables/order-entries.ts";
import { orderLines } from "./tables/order-lines.ts";
import { orders } from "./tables/orders.ts";
import { identities, profiles } from "./tables/profiles.ts";
import { refunds } from "./tables/refunds.ts";

export const views: readonly View[] = [
  orderEntries,
  refunds,
  orders,
  orderLines,
  customerRfm,
  webActivity,
  socialActivity,
  profiles,
  identities,
];

export interface RenderedView {
  readonly name: string;
  /** A SELECT. */
  readonly sql: string;
}

const rendered = (dialect: Parameters<typeof render>[1]): RenderedView[] =>
  views.map((view) => ({ name: view.name, sql: render(view, dialect) }));

/** The views for DuckDB, each after those it reads. */
export const duckdbViews = (): RenderedView[] => rendered(duckdb);
/** The views for Athena, each after those it reads; they name `raw_events` and each other without a database. */
export const athenaViews = (): RenderedView[] => rendered(trino);
/** The views for Spark, each after those it reads. Its session needs `sparkSettings`. */
export const sparkViews = (): RenderedView[] => rendered(spark);
