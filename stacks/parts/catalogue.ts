/** The lake in Glue's words: `raw_events` with computed partitions, and the curated views as Athena stores them. */
import { rawEventsGlueColumns, rawEventsPartitionKeys } from "@ebb/lake/raw-events";
import { trino } from "@ebb/lake/dialect";
import { render, type View, type ViewColumn } from "@ebb/lake/table";
import { type Column, glueType } from "@ebb/lake/columns";

/** No partition is ever registered: Athena computes them from these ranges, so a new hour is there when its file is. */
const projection = (lake: $util.Input<string>): Record<string, $util.Input<string>> => ({
  EXTERNAL: "TRUE",
  classification: "parquet",
  "parquet.compression": "SNAPPY",
  "projection.enabled": "true",
  "projection.dt.type": "date",
  "projection.dt.format": "yyyy-MM-dd",
  "projection.dt.range": "2025-01-01,NOW+1DAYS",
  "projection.dt.interval": "1",
  "projection.dt.interval.unit": "DAYS",
  "projection.hour.type": "integer",
  "projection.hour.range": "0,23",
  "projection.hour.digits": "2",
  "storage.location.template": $interpolate`s3://${lake}/raw_events/dt=\${dt}/hour=\${hour}/`,
});

export const rawEventsTable = (database: $util.Input<string>, lake: $util.Input<string>): aws.glue.CatalogTable =>
  new aws.glue.CatalogTable("RawEvents", {
    databaseName: database,
    name: "raw_events",
    description: "One row an event as it arrived; immutable, partitioned by arrival (UTC)",
    tableType: "EXTERNAL_TABLE",
    parameters: projection(lake),
    partitionKeys: rawEventsPartitionKeys.map(({ name, type, comment }) => ({ name, type, comment })),
    storageDescriptor: {
      location: $interpolate`s3://${lake}/raw_events/`,
      inputFormat: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
      outputFormat: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
      serDeInfo: { serializationLibrary: "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe" },
      columns: rawEventsGlueColumns(),
    },
  });

const isScalar = (type: ViewColumn["type"]): type is Exclude<ViewColumn["type"], { listOf: unknown }> =>
  typeof type === "string";

/** A view's column in Glue's words. */
const inGlue = (type: ViewColumn["type"]): string =>
  isScalar(type) ? type : glueType({ type: { listOf: type.listOf } });

/** And in Trino's, which the view's own definition is written in. */
const inTrino = (type: Column["type"] | ViewColumn["type"]): string => {
  if (typeof type !== "string")
    return `array(row(${type.listOf.map((column) => `${column.name} ${inTrino(column.type)}`).join(", ")}))`;
  if (type === "string") return "varchar";
  if (type === "int") return "integer";
  if (type === "timestamp") return "timestamp(3)";
  return type;
};

/**
 * A view as Athena writes it into Glue itself when it runs CREATE VIEW: the definition as base64 JSON in the original
 * text, and the columns twice. So the views are there with the deployment, and no statement has to be run for them.
 */
export const athenaView = (
  view: View,
  database: aws.glue.CatalogDatabase,
  after: $util.Resource[],
): aws.glue.CatalogTable => {
  const columns = Object.entries(view.columns);
  const definition = $jsonStringify({
    originalSql: render(view, trino),
    catalog: "awsdatacatalog",
    schema: database.name,
    columns: columns.map(([name, { type }]) => ({ name, type: inTrino(type) })),
  });
  return new aws.glue.CatalogTable(
    `View-${view.name}`,
    {
      databaseName: database.name,
      name: view.name,
      description: view.grain,
      tableType: "VIRTUAL_VIEW",
      parameters: { presto_view: "true", comment: "Presto View" },
      viewOriginalText: definition.apply((json) => `/* Presto View: ${Buffer.from(json).toString("base64")} */`),
      viewExpandedText: "/* Presto View */",
      storageDescriptor: {
        columns: columns.map(([name, { type, description }]) => ({
          name,
          type: inGlue(type),
          comment: description.slice(0, 255),
        })),
      },
    },
    { dependsOn: after },
  );
};

/** The same as a statement in the workgroup's list: for the day on which Athena calls a stored view stale. */
export const createViewStatement = (view: View): string =>
  `CREATE OR REPLACE VIEW ${view.name} AS\n${render(view, trino)}`;
