import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { StreamEvent, StreamLine } from "@ebb/core/stream-event";
import { landConsumer } from "@ebb/functions/declarations";
import { views } from "@ebb/lake/views";
import { dig, evaluateStacks, type DeclaredResource, type ResourceGraph } from "./evaluate.ts";

let graph: ResourceGraph;
before(async () => {
  graph = await evaluateStacks({ stage: "production" });
});

const rawEvents = (): DeclaredResource => graph.one("aws:glue/catalogTable:CatalogTable", "RawEvents");
interface GlueColumn {
  readonly name: string;
  readonly type: string;
  readonly comment?: string;
}
const columnsOf = (table: DeclaredResource): readonly GlueColumn[] =>
  dig(table.inputs, "storageDescriptor", "columns") as GlueColumn[];

describe("raw_events in the catalogue", () => {
  it("has a column for every field of an event, and of a line, and no other", () => {
    assert.deepEqual(
      columnsOf(rawEvents()).map(({ name }) => name),
      Object.keys(StreamEvent.shape),
    );
    const lines = columnsOf(rawEvents()).find(({ name }) => name === "lines")!.type;
    assert.deepEqual(
      [...lines.matchAll(/[<,](\w+):/g)].map(([, name]) => name),
      Object.keys(StreamLine.shape),
    );
  });

  it("is found where Firehose puts it: each partition's folder is the template with its values", () => {
    const template = String(dig(rawEvents().inputs, "parameters", "storage.location.template"));
    const folder = template.replace("${dt}", "2026-03-07").replace("${hour}", "05");
    const written = landConsumer.prefix
      .replace("!{timestamp:yyyy-MM-dd}", "2026-03-07")
      .replace("!{timestamp:HH}", "05");
    assert.equal(folder, `s3://LakeBucket/${written}`);
  });

  it("computes its partitions: days to tomorrow, hours with two digits", () => {
    const parameters = rawEvents().inputs["parameters"] as Record<string, string>;
    assert.equal(parameters["projection.enabled"], "true");
    assert.equal(parameters["projection.dt.type"], "date");
    assert.equal(parameters["projection.dt.format"], "yyyy-MM-dd");
    assert.match(parameters["projection.dt.range"]!, /^\d{4}-\d{2}-\d{2},NOW\+1DAYS$/);
    assert.equal(parameters["projection.hour.range"], "0,23");
    assert.equal(parameters["projection.hour.digits"], "2");
    assert.deepEqual(
      (rawEvents().inputs["partitionKeys"] as GlueColumn[]).map(({ name, type }) => [name, type]),
      [
        ["dt", "string"],
        ["hour", "string"],
      ],
    );
  });

  it("is what Firehose converts to: its latest version, Parquet, Snappy", () => {
    const conversion = dig(
      graph.one("aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream").inputs,
      "extendedS3Configuration",
      "dataFormatConversionConfiguration",
    );
    assert.equal(dig(conversion, "enabled"), true);
    assert.equal(dig(conversion, "schemaConfiguration", "tableName"), "raw_events");
    assert.equal(dig(conversion, "schemaConfiguration", "databaseName"), "ebb_production");
    assert.equal(dig(conversion, "schemaConfiguration", "versionId"), "LATEST");
    assert.deepEqual(dig(conversion, "outputFormatConfiguration", "serializer"), {
      parquetSerDe: { compression: "SNAPPY" },
    });
  });

  it("is read with a time format that fits the instants of the stream", () => {
    const [format] = dig(
      graph.one("aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream").inputs,
      "extendedS3Configuration",
      "dataFormatConversionConfiguration",
      "inputFormatConfiguration",
      "deserializer",
      "hiveJsonSerDe",
      "timestampFormats",
    ) as string[];
    // The pattern of Joda-Time as a regular expression: quoted text is literal, a run of letters that many digits.
    const pattern = new RegExp(
      `^${format!.replace(/'([^']*)'|([a-zA-Z])\2*/g, (run, literal?: string) => literal ?? `\\d{${run.length}}`)}$`,
    );
    assert.match(new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 6)).toISOString(), pattern);
    assert.doesNotMatch("2026-01-02 03:04:05.006", pattern);
  });
});

describe("the curated views", () => {
  const viewTables = (): readonly DeclaredResource[] =>
    graph.ofType("aws:glue/catalogTable:CatalogTable").filter(({ inputs }) => inputs["tableType"] === "VIRTUAL_VIEW");

  it("are all there, with their columns, in the form in which Athena stores its own", () => {
    assert.deepEqual(
      viewTables()
        .map(({ inputs }) => inputs["name"])
        .sort(),
      views.map(({ name }) => name).sort(),
    );
    for (const table of viewTables()) {
      const view = views.find(({ name }) => name === table.inputs["name"])!;
      assert.deepEqual(
        columnsOf(table).map(({ name }) => name),
        Object.keys(view.columns),
      );
      const encoded = /^\/\* Presto View: (.+) \*\/$/.exec(String(table.inputs["viewOriginalText"]))?.[1];
      assert.ok(encoded !== undefined, view.name);
      const definition = JSON.parse(Buffer.from(encoded, "base64").toString("utf8")) as {
        originalSql: string;
        catalog: string;
        schema: string;
        columns: GlueColumn[];
      };
      assert.equal(definition.catalog, "awsdatacatalog");
      assert.equal(definition.schema, "ebb_production");
      assert.match(definition.originalSql, /\bselect\b/i);
      assert.deepEqual(
        definition.columns.map(({ name }) => name),
        Object.keys(view.columns),
      );
      // Trino has no `string` and no bare `timestamp` of Hive's precision.
      for (const { type } of definition.columns) assert.doesNotMatch(type, /\bstring\b|timestamp(?!\(3\))|\bint\b/);
      assert.deepEqual(dig(table.inputs, "parameters", "presto_view"), "true");
    }
  });

  it("can be made again by a named query each", () => {
    const queries = graph.ofType("aws:athena/namedQuery:NamedQuery");
    assert.equal(queries.length, views.length);
    for (const { inputs } of queries) assert.match(String(inputs["query"]), /^CREATE OR REPLACE VIEW \w+ AS\n/);
  });
});

describe("Athena's workgroup", () => {
  it("caps what a query may scan, and no client can lift that", () => {
    const configuration = graph.one("aws:athena/workgroup:Workgroup").inputs["configuration"];
    assert.equal(dig(configuration, "enforceWorkgroupConfiguration"), true);
    assert.equal(dig(configuration, "bytesScannedCutoffPerQuery"), 100_000_000_000);
    assert.equal(dig(configuration, "resultConfiguration", "outputLocation"), "s3://QueryResultsBucket/results/");
  });
});
