/** What Spark is told of a relational table: how its drivers reach the database, and the SELECT that gives every field as text. */
import type { ReadPlan, Row, RowReader, SourceField } from "../source-ports.ts";
import type { RelationalConnection } from "./connection.ts";
import type { SqlWords } from "./sql-text.ts";

/** Where a database is, without its password. */
export type Address = Omit<RelationalConnection, "password">;

/** What differs between the databases. */
export interface JdbcDialect {
  readonly words: SqlWords;
  /** Class of the driver. */
  readonly driver: string;
  /** An expression as the text that the lake's column is read from, exactly as the database's own reader has it. */
  readonly text: (field: SourceField, timezone: string | undefined) => string;
  /** An expression as the database writes its value. */
  readonly raw: (expression: string) => string;
  /** Without user and password. @param caFile of the authorities, where Spark's program lays it down */
  readonly url: (address: Address, caFile: string) => string;
  /** What each connection begins with. `{snapshot}` stands for what `snapshot` gave. */
  readonly begin: string;
  /** Where connections can share one look at the database: what the first of them asks, which stays open. */
  readonly snapshot?: { readonly begin: string; readonly ask: string };
}

/** A reader whose database has a driver for Spark. */
export interface JdbcReader extends RowReader {
  readonly address: Address;
  readonly jdbc: JdbcDialect;
  /** The one row of a SELECT over the plan's rows, as text. @throws SourceProblem */
  ask(plan: ReadPlan, select: string, where: string): Promise<Row>;
}

/** The name under which the program keeps the authorities of TLS, beside each of its workers. */
export const CA_FILE = "ebb-ca.pem";

/** What the program reads by. No password: that comes from the job's own configuration. */
export interface JdbcRead {
  readonly driver: string;
  readonly url: string;
  readonly user: string;
  /** Authorities that the server's certificate may be of, as PEM; absent without TLS. */
  readonly authorities?: string | undefined;
  readonly begin: string;
  readonly snapshot?: JdbcDialect["snapshot"];
  /** A SELECT of `c0`, `c1`, … as text, and of `ebb_partition`. */
  readonly select: string;
  readonly cells: number;
  /** Which cell names a person as the producer does, from 0; absent where none does. */
  readonly customerCell?: number;
  /** A condition on `ebb_partition` for each partition. */
  readonly partitions: readonly string[];
  readonly fetchSize: number;
}

/** Rows that a driver holds at once. */
const FETCH_SIZE = 5_000;

/** @param authorities of the system, for a connection that names none @param customer the field that names a person */
export const jdbcRead = (
  { address, jdbc }: Pick<JdbcReader, "address" | "jdbc">,
  plan: ReadPlan,
  fields: readonly SourceField[],
  from: string,
  where: string,
  partition: { readonly field: string; readonly conditions: readonly string[] },
  { authorities, customer }: { readonly authorities: () => string; readonly customer?: string | undefined },
): JdbcRead => {
  const { words } = jdbc;
  const cells = fields.map((field) => jdbc.text(field, plan.timezone));
  if (plan.watermark !== undefined) cells.push(jdbc.raw(words.name(plan.watermark)));
  const list = [...cells.map((cell, at) => `${cell} AS c${at}`), `${words.name(partition.field)} AS ebb_partition`];
  const { tls, user } = address;
  return {
    driver: jdbc.driver,
    url: jdbc.url(address, CA_FILE),
    user,
    ...(tls.mode === "off" ? {} : { authorities: tls.ca ?? authorities() }),
    begin: jdbc.begin,
    ...(jdbc.snapshot === undefined ? {} : { snapshot: jdbc.snapshot }),
    select: `SELECT ${list.join(", ")} FROM ${from}${where}`,
    cells: cells.length,
    ...(customer === undefined ? {} : { customerCell: plan.fields.indexOf(customer) }),
    partitions: partition.conditions,
    fetchSize: FETCH_SIZE,
  };
};
