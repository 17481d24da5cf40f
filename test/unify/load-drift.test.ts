/** A load that brings another kind of data than the one before it is told by the report, and stops a run where a limit says so. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { qualityReport } from "@ebb/core/quality";
import type { QualityLimit } from "@ebb/core/quality-limits";
import { compareLoads } from "@ebb/functions/collect/sources/compare-loads";
import { loadRows } from "@ebb/functions/collect/sources/load";
import { SOURCES_FILE, readSources } from "@ebb/home/source-files";
import { sourceLoads } from "@ebb/home/told-tables";
import type { Row, SourceField } from "@ebb/ports/source-ports";
import { openPorts } from "../sources/ports.ts";
import { smallLake } from "../model/small-lake.ts";
import { readerOf } from "../sources/fixed-reader.ts";

const fields: readonly SourceField[] = [
  { name: "id", type: "int", lake: "int" },
  { name: "topic", type: "text", lake: "string" },
  { name: "minutes", type: "numeric(6,2)", lake: "decimal(6,2)" },
  { name: "at", type: "timestamp without time zone", lake: "timestamp" },
];
const ROWS = 200;
const rows = (count: number, missing: number, minutes: (at: number) => number): Row[] =>
  Array.from({ length: count }, (_, at) => [
    String(at),
    at < missing ? null : "late parcel",
    at % 10 === 0 ? null : minutes(at).toFixed(2),
    "2026-01-02 03:04:05",
  ]);

test("each load is compared with the one before it that changed something: rows, what is missing, means", async (context) => {
  const { folder } = await smallLake(context);
  const declared = {
    ...{
      name: "contacts",
      connection: "shop",
      maps: "support_contacts",
      table: "contacts",
      key: ["id"],
      mode: "snapshot",
    },
    fields: { contact_id: "id", topic: "topic", occurred_at: "at" },
    keep: ["minutes"],
  };
  writeFileSync(
    path.join(folder, SOURCES_FILE),
    JSON.stringify({
      connections: { shop: { kind: "postgres", host: "127.0.0.1", database: "shop", user: "reader" } },
      sources: [declared],
    }),
  );
  const [source] = readSources(folder);
  if (source?.kind !== "relational") throw new Error("not relational");
  const ports = await openPorts(folder);
  context.after(() => ports.close());
  const load = async (all: readonly Row[]): Promise<void> => {
    await loadRows(ports, source.spec, readerOf(fields, all), { owner: "test", remainingMs: () => Infinity });
  };
  const findings = async (...limits: QualityLimit[]) => {
    const loads = compareLoads(await sourceLoads(folder));
    return qualityReport({ profiles: [], references: [], rules: [], loads, limits }).findings;
  };
  const mild = (at: number): number => 10 + (at % 7);
  await load(rows(ROWS, 10, mild));
  assert.deepEqual(await findings(), [], "one load has none before it");
  await load(rows(ROWS, 20, mild));
  assert.deepEqual(await findings(), [], "five points more of missing values are none too many");
  const strict = { measure: "drift_missing", source: "contacts", column: "topic", warn: 0.04, stop: 0.049 } as const;
  assert.deepEqual(
    (await findings(strict)).map(({ severity, stops, column }) => [severity, stops, column]),
    [["stop", "run", "topic"]],
  );

  await load(rows(ROWS, 60, (at) => mild(at) * 10));
  await load(rows(ROWS, 60, (at) => mild(at) * 10)); // nothing changed: there is nothing to compare
  const sentences = (await findings()).map(({ sentence }) => sentence.replace(/\d{4}-[\d-]+ [\d:]+/, "…"));
  const mean = (factor: number): string => {
    const all = rows(ROWS, 0, (at) => mild(at) * factor).flatMap(([, , minutes]) =>
      minutes === null ? [] : [Number(minutes)],
    );
    return (all.reduce((sum, one) => sum + one, 0) / all.length).toPrecision(4);
  };
  assert.deepEqual(sentences, [
    "contacts, source_contacts.topic: after the load of … 30.0 % are missing, 10.0 % before.",
    `contacts, source_contacts.minutes: after the load of … the mean is ${mean(10)}, ${mean(1)} before.`,
  ]);

  await load(rows(ROWS * 5, 300, (at) => mild(at) * 10));
  assert.deepEqual(
    (await findings()).map(({ sentence }) => sentence.replace(/\d{4}-[\d-]+ [\d:]+/, "…")),
    ["contacts, source_contacts: after the load of … 1000 rows, 200 before."],
  );
});
