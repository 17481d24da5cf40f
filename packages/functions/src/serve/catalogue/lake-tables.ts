/** The program's own tables of the lake, from the definitions that make them: what `docs/tables.md` says, as data. */
import type { BatchTable } from "@ebb/lake/batch-table";
import { batchTables } from "@ebb/lake/batch/batch-tables";
import { features } from "@ebb/lake/batch/features";
import type { Column } from "@ebb/lake/columns";
import { modelTables } from "@ebb/lake/model/model-tables";
import { rawEventsColumns, rawEventsPartitionKeys } from "@ebb/lake/raw-events";
import type { ViewColumn, ViewType } from "@ebb/lake/table";
import { views } from "@ebb/lake/views";

export interface LakeTable {
  readonly name: string;
  readonly kind: "events" | "view" | "run";
  /** What one row is. */
  readonly grain: string;
  readonly key: readonly string[];
  readonly partitionedBy?: string;
  readonly madeOf: readonly string[];
  readonly columns: readonly LakeColumn[];
}

export interface LakeColumn {
  readonly name: string;
  readonly type: string;
  readonly unit?: string;
  readonly description: string;
}

const typeName = (type: ViewType): string => (typeof type === "string" ? type : "list of lines");

const featureUnits: ReadonlyMap<string, string> = new Map(features.map(({ name, unit }) => [name, unit]));

/** A feature's is declared; of others the name or the type tells it (docs/tables.md). */
const unitOf = (table: string, name: string, type: ViewType): { readonly unit?: string } => {
  const unit =
    (table === "customer_features" ? featureUnits.get(name) : undefined) ??
    (/_minor(?:_|$)/.test(name)
      ? "minor units"
      : /_days$/.test(name)
        ? "days"
        : type === "timestamp" || type === "date"
          ? "UTC"
          : undefined);
  return unit === undefined ? {} : { unit };
};

const columnsOf = (table: string, columns: Readonly<Record<string, ViewColumn>>): readonly LakeColumn[] =>
  Object.entries(columns).map(([name, { type, description }]) => ({
    name,
    type: typeName(type),
    ...unitOf(table, name, type),
    description,
  }));

const rawColumn = (column: Column, prefix = ""): readonly LakeColumn[] => {
  const { name, type, description } = column;
  const own = { name: `${prefix}${name}`, type: typeName(type), ...unitOf("raw_events", name, type), description };
  if (typeof type === "string") return [own];
  return [own, ...type.listOf.flatMap((field) => rawColumn(field, `${prefix}${name}[].`))];
};

const batch = (table: BatchTable): LakeTable => ({
  name: table.name,
  kind: "run",
  grain: table.grain,
  key: table.key,
  ...(table.partitionedBy === undefined ? {} : { partitionedBy: table.partitionedBy }),
  madeOf: table.reads,
  columns: columnsOf(table.name, table.columns),
});

export const lakeTables: readonly LakeTable[] = [
  {
    name: "raw_events",
    kind: "events",
    grain: "one row per event as it arrived; one that arrived twice may be here twice, and in the views once",
    key: [],
    partitionedBy: rawEventsPartitionKeys.map(({ name }) => name).join(", "),
    madeOf: [],
    columns: [
      ...rawEventsColumns.flatMap((column) => rawColumn(column)),
      ...rawEventsPartitionKeys.map(({ name, type, comment }) => ({
        name,
        type,
        description: `${comment} (partition)`,
      })),
    ],
  },
  ...views.map(({ name, grain, columns }): LakeTable => ({
    name,
    kind: "view",
    grain,
    key: [],
    madeOf: [],
    columns: columnsOf(name, columns),
  })),
  ...[...batchTables, ...modelTables].map(batch),
];
