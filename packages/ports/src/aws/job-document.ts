/**
 * What a batch job becomes in AWS: a list of steps, rendered once when the job starts. Everything that runs later is in
 * it, so a job that started before a deployment ends as it began. packages/lake/spark/run_sql.py reads `SparkDocument`.
 */
import { ERASED_KIND } from "@ebb/core/kinds";
import type { BatchTable } from "@ebb/lake/batch-table";
import { renderBatch } from "@ebb/lake/batch-table";
import { glueType } from "@ebb/lake/columns";
import { spark, trino } from "@ebb/lake/dialect";
import { rawEventsColumns, rawEventsPartitionKeys } from "@ebb/lake/raw-events";
import type { ViewType } from "@ebb/lake/table";
import { sparkViews } from "@ebb/lake/views";
import type { BatchJob, TableExport, TableWrite } from "../batch-ports.ts";
import {
  createStatement,
  optimizeStatement,
  replaceStatement,
  standingStatement,
  unloadStatement,
  vacuumStatement,
} from "./athena-statements.ts";

export interface SparkColumn {
  readonly name: string;
  readonly type: string;
}

export interface SparkWrite {
  readonly table: string;
  readonly columns: readonly SparkColumn[];
  readonly key: readonly string[];
  readonly partition?: "month" | "cutoff";
  /** Partitions that are replaced, whatever the rows; all where absent. */
  readonly replace?: readonly string[];
  /** `replace`: the rows come in the place of their partitions. `merge`: by their key, and the other rows stay. */
  readonly mode: "replace" | "merge";
  readonly sql: string;
}

export interface SparkDocument {
  /** Carried by every commit: what carries it already is not written again. */
  readonly token: string;
  readonly job: string;
  readonly rawEvents: { readonly columns: readonly SparkColumn[] };
  /** Stand for tables that no run has written yet. */
  readonly defaults: readonly { readonly name: string; readonly sql: string }[];
  /** Objects of JSON Lines, each set as a relation of this name. */
  readonly imports?: readonly {
    readonly name: string;
    readonly columns: readonly SparkColumn[];
    readonly uris: readonly string[];
  }[];
  /** In the order in which they read each other. */
  readonly views: readonly { readonly name: string; readonly sql: string }[];
  readonly writes: readonly SparkWrite[];
  /** Rows of erased customers, deleted from tables. */
  readonly erase?: readonly { readonly table: string; readonly column: string; readonly keys: readonly string[] }[];
  /** Files of raw events that hold erased people: `instead` says by column, `*` for all others, what a row has then. */
  readonly eraseRaw?: {
    readonly keys: readonly string[];
    readonly shared: readonly string[];
    /** Of a row with `ebb_customer_gone`, `ebb_visitor_gone` and `ebb_visitor_shared`: whether it is rewritten. */
    readonly holds: string;
    readonly instead: Readonly<Record<string, string>>;
    /** URI of a folder of its own. */
    readonly scratch: string;
  };
  /** Tables whose files are joined, and whose snapshots from before an instant are forgotten. */
  readonly upkeep?: readonly { readonly table: string; readonly expireBefore: string }[];
  readonly exports: readonly { readonly name: string; readonly sql: string; readonly uri: string }[];
}

/** What the runner leaves at the place of its result. */
export type SparkResult =
  | {
      readonly state: "succeeded";
      readonly written: Readonly<Record<string, { readonly rows: number; readonly files: number }>>;
      readonly usage: Readonly<Record<string, number>>;
    }
  | { readonly state: "failed"; readonly reason: string; readonly mayRetry: boolean };

export type JobStep =
  | { readonly kind: "spark"; readonly document: SparkDocument }
  /** Statements on Athena that may run side by side. */
  | { readonly kind: "queries"; readonly sql: readonly string[] }
  /** A statement a table; a table that no run has made yet is passed over. */
  | { readonly kind: "upkeep"; readonly statements: readonly { readonly table: string; readonly sql: string }[] }
  /** Columns that a table made by an older release lacks are added. */
  | { readonly kind: "columns"; readonly table: string; readonly columns: readonly SparkColumn[] }
  /** A statement whose one row says how many rows a table's replaced partitions now hold, and in how many files. */
  | { readonly kind: "count"; readonly table: string; readonly sql: string };

export interface JobPlan {
  readonly name: string;
  readonly token: string;
  readonly steps: readonly JobStep[];
  /** Keys of the exports by name. */
  readonly exports: Readonly<Record<string, string>>;
}

export interface Places {
  readonly jobId: string;
  /** URI of the lake, without a slash at its end: `s3://bucket`. */
  readonly lake: string;
}

/** The folder of an export in the lake. */
export const exportKey = (jobId: string, name: string): string => `exports/${jobId}/${name}/`;

/** Spark's `timestamp` is an instant; a column of the lake is UTC without a zone, as Athena writes and reads it. */
const sparkType = (type: ViewType, zoneless: "timestamp_ntz" | "timestamp"): string =>
  (typeof type === "string" ? type : glueType({ type })).replace(/\btimestamp\b/g, zoneless);

export const columnsOf = (table: BatchTable): readonly SparkColumn[] =>
  Object.entries(table.columns).map(([name, { type }]) => ({ name, type: sparkType(type, "timestamp_ntz") }));

/** The partitions that a write replaces whatever its rows; undefined where it replaces the whole table. */
export const replacedPartitions = ({ table, parameters }: TableWrite): readonly string[] | undefined => {
  if (table.partitionedBy === "month") return parameters.months;
  return table.partitionedBy === "cutoff" && parameters.cutoff !== undefined
    ? [parameters.cutoff.slice(0, 10)]
    : undefined;
};

const sparkWrite = (write: TableWrite): SparkWrite => {
  const { table, parameters } = write;
  const replace = replacedPartitions(write);
  return {
    table: table.name,
    columns: columnsOf(table),
    key: table.key,
    ...(table.partitionedBy === undefined ? {} : { partition: table.partitionedBy }),
    ...(replace === undefined ? {} : { replace }),
    mode: "replace",
    sql: renderBatch(table, spark, parameters),
  };
};

export const sparkDocument = (
  job: string,
  token: string,
  parts: Partial<Pick<SparkDocument, "imports" | "writes" | "erase" | "eraseRaw" | "upkeep" | "exports">>,
): SparkDocument => ({
  token,
  job,
  rawEvents: {
    columns: [...rawEventsColumns, ...rawEventsPartitionKeys].map(({ name, type }) => ({
      name,
      type: sparkType(type, "timestamp"),
    })),
  },
  // Runs leave the table of erased customers; before the first, nobody is erased.
  defaults: [{ name: "erased_customers", sql: "SELECT CAST(NULL AS string) AS customer_key WHERE false" }],
  views: sparkViews(),
  writes: [],
  exports: [],
  ...parts,
});

/** The customer decides whose event it is, and the visitor only where there is no customer (`withoutErased` in the core). */
const ABOUT_SUBJECT =
  "CASE WHEN customer_key IS NULL THEN ebb_visitor_gone OR ebb_visitor_shared ELSE ebb_customer_gone END";
/** Of an erased event stays what says that it came (`erasedEvent` in the core). */
const rawErasure: Omit<NonNullable<SparkDocument["eraseRaw"]>, "keys" | "shared" | "scratch"> = {
  holds: `${ABOUT_SUBJECT} OR ebb_visitor_gone`,
  instead: {
    ...Object.fromEntries(
      ["event_id", "source", "schema_version", "received_at", "receipt_id", "receipt_number"].map((name) => [
        name,
        name,
      ]),
    ),
    kind: `CASE WHEN ${ABOUT_SUBJECT} THEN '${ERASED_KIND}' ELSE kind END`,
    name: `CASE WHEN ${ABOUT_SUBJECT} THEN '${ERASED_KIND}' ELSE name END`,
    occurred_at: `CASE WHEN ${ABOUT_SUBJECT} THEN received_at ELSE occurred_at END`,
    anonymous_key: `CASE WHEN ${ABOUT_SUBJECT} OR ebb_visitor_gone THEN NULL ELSE anonymous_key END`,
    "*": `CASE WHEN ${ABOUT_SUBJECT} THEN NULL ELSE {column} END`,
  },
};

const athenaSteps = (write: TableWrite, places: Places): JobStep[] => {
  const replaced = replacedPartitions(write);
  return [
    { kind: "queries", sql: [createStatement(write.table, places.lake)] },
    {
      kind: "columns",
      table: write.table.name,
      columns: Object.entries(write.table.columns).map(([name, { type }]) => ({
        name,
        type: typeof type === "string" ? type : glueType({ type }),
      })),
    },
    {
      kind: "queries",
      sql: [replaceStatement(write.table, replaced, renderBatch(write.table, trino, write.parameters))],
    },
    { kind: "count", table: write.table.name, sql: standingStatement(write.table, replaced) },
  ];
};

/**
 * The steps of a job. Writes on Spark that follow each other are one Spark job, which takes a minute to start; exports
 * go with the last of them when nothing on Athena comes after it, else to Athena.
 */
export const planOf = (job: BatchJob, token: string, places: Places): JobPlan => {
  const exports = job.exports ?? [];
  const imports = (job.imports ?? []).map(({ name, columns, objectKeys }) => ({
    name,
    columns: Object.entries(columns).map(([column, type]) => ({ name: column, type: sparkType(type, "timestamp") })),
    uris: objectKeys.map((key) => `${places.lake}/${key}`),
  }));
  if (imports.length > 0 && job.writes.some(({ table }) => table.engine !== "spark"))
    throw new RangeError(`${job.name}: only Spark reads what a run imports`);
  const keyed = (each: TableExport): string => exportKey(places.jobId, each.name);
  const uri = (each: TableExport): string => `${places.lake}/${keyed(each)}`;
  const steps: JobStep[] = [];
  const runs = job.writes.reduce<TableWrite[][]>((groups, write) => {
    const last = groups.at(-1);
    if (last !== undefined && write.table.engine === "spark" && last[0]!.table.engine === "spark") last.push(write);
    else groups.push([write]);
    return groups;
  }, []);
  const exportedBySpark = job.writes.at(-1)?.table.engine === "spark";
  for (const [index, group] of runs.entries()) {
    if (group[0]!.table.engine === "athena") {
      steps.push(...group.flatMap((write) => athenaSteps(write, places)));
      continue;
    }
    const exported = exportedBySpark && index === runs.length - 1 ? exports : [];
    steps.push({
      kind: "spark",
      document: sparkDocument(job.name, `${places.jobId}/${index}`, {
        ...(imports.length === 0 ? {} : { imports }),
        writes: group.map(sparkWrite),
        exports: exported.map((each) => ({ name: each.name, sql: each.sql(spark), uri: uri(each) })),
      }),
    });
  }
  if (!exportedBySpark && exports.length > 0)
    steps.push({ kind: "queries", sql: exports.map((each) => unloadStatement(each.sql(trino), uri(each))) });
  if (job.eraseRaw !== undefined) {
    const eraseRaw = {
      ...rawErasure,
      ...job.eraseRaw,
      scratch: `${places.lake}/${exportKey(places.jobId, "raw")}files`,
    };
    steps.push({ kind: "spark", document: sparkDocument(job.name, `${places.jobId}/raw`, { eraseRaw }) });
  }
  if (job.erase !== undefined && job.erase.length > 0) {
    const tables = [...new Set(job.erase.map(({ table }) => table))];
    // Whatever was committed before the job runs is older than this: no snapshot but the newest stays.
    const upkeep = tables.map((table) => ({ table, expireBefore: "9999-01-01 00:00:00" }));
    const document = sparkDocument(job.name, `${places.jobId}/erase`, { erase: job.erase, upkeep });
    steps.push({ kind: "spark", document });
  }
  // Snapshots go when the deletes that they hold are in the files: every table is done before the first forgets.
  if (job.upkeep !== undefined && job.upkeep.length > 0)
    steps.push(
      { kind: "upkeep", statements: job.upkeep.map((table) => ({ table, sql: optimizeStatement(table) })) },
      { kind: "upkeep", statements: job.upkeep.map((table) => ({ table, sql: vacuumStatement(table) })) },
    );
  return {
    name: job.name,
    token,
    steps,
    exports: Object.fromEntries(exports.map((each) => [each.name, keyed(each)])),
  };
};
