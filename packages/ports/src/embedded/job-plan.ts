/** Jobs as they are noted down before they start: with their SQL rendered, so that they go on after a crash as they began. */
import { renderBatch } from "@ebb/lake/batch-table";
import { ANY_MONTH } from "@ebb/lake/batch/literals";
import { duckdbType } from "@ebb/lake/columns";
import { duckdb } from "@ebb/lake/dialect";
import type { BatchJob, TableWrite } from "../batch-ports.ts";
import type { StoredColumn } from "./batch-manifest.ts";
import { storedColumns } from "./declared-tables.ts";

/** A job as plain data: what is left of it when the SQL is rendered. */
export interface JobPlan {
  readonly name: string;
  /** Absent in plans of an older release. */
  readonly imports?: readonly {
    readonly name: string;
    readonly columns: readonly StoredColumn[];
    readonly objectKeys: readonly string[];
  }[];
  readonly writes: readonly PlannedWrite[];
  readonly exports: readonly { readonly name: string; readonly sql: string }[];
}
export interface PlannedWrite {
  readonly table: string;
  readonly columns: readonly StoredColumn[];
  readonly partition?: string;
  /** Partitions that are replaced; all of the table where absent. */
  readonly replaces?: readonly string[];
  readonly sql: string;
  /** How it is written a month after the other; absent where one statement is the better way. */
  readonly byMonth?: {
    /** Of what it reads the size decides. */
    readonly reads: readonly string[];
    /** A SELECT of `month`: those that may have rows. */
    readonly monthsSql: string;
    /** For `ANY_MONTH`. */
    readonly sql: string;
  };
}

export const planOf = (job: BatchJob): JobPlan => ({
  name: job.name,
  imports: (job.imports ?? []).map(({ name, columns, objectKeys }) => ({
    name,
    columns: Object.entries(columns).map(([column, type]) => ({ name: column, type: duckdbType({ type }) })),
    objectKeys,
  })),
  writes: job.writes.map(plannedWrite),
  exports: (job.exports ?? []).map(({ name, sql }) => ({ name, sql: sql(duckdb) })),
});

const plannedWrite = ({ table, parameters }: TableWrite): PlannedWrite => {
  const replaces =
    table.partitionedBy === "cutoff"
      ? parameters.cutoff === undefined
        ? undefined
        : [parameters.cutoff.slice(0, 10)]
      : parameters.months;
  return {
    table: table.name,
    columns: storedColumns(table),
    ...(table.partitionedBy === undefined ? {} : { partition: table.partitionedBy }),
    ...(table.partitionedBy === undefined || replaces === undefined ? {} : { replaces }),
    sql: renderBatch(table, duckdb, parameters),
    ...(table.monthsSql === undefined || parameters.months !== undefined
      ? {}
      : {
          byMonth: {
            reads: table.reads,
            monthsSql: table.monthsSql(duckdb),
            sql: renderBatch(table, duckdb, { ...parameters, months: [ANY_MONTH] }),
          },
        }),
  };
};
