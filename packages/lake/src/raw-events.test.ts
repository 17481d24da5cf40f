import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import { z } from "zod";
import { columnsOf, duckdbType, glueType } from "./columns.ts";
import type { StoredColumn } from "./raw-events.ts";
import { breakingChanges, partitionOf, rawEventsColumns, rawEventsGlueColumns, storedColumns } from "./raw-events.ts";

const stored = JSON.parse(
  readFileSync(path.join(import.meta.dirname, "raw-events.snapshot.json"), "utf8"),
) as StoredColumn[];

test("files written with the committed columns can still be read", () => {
  assert.deepEqual(breakingChanges(stored, storedColumns(rawEventsColumns)), []);
});

test("the docs and the snapshot say what the definitions say", async () => {
  const root = path.join(import.meta.dirname, "../../..");
  await promisify(execFile)(process.execPath, [path.join(root, "scripts/tables.ts"), "--check"]);
});

test("a column that is dropped, retyped or suddenly required breaks stored data; a new nullable one does not", () => {
  const before: StoredColumn[] = [
    { name: "a", type: "string", nullable: false },
    { name: "b", type: "bigint", nullable: true },
    { name: "l", type: "array<struct<x:decimal(18,6),y:string>>", nullable: true },
  ];
  const change = (name: string, to: Partial<StoredColumn>) =>
    before.map((c) => (c.name === name ? { ...c, ...to } : c));
  assert.deepEqual(breakingChanges(before, before), []);
  assert.deepEqual(breakingChanges(before, [...before, { name: "c", type: "string", nullable: true }]), []);
  assert.deepEqual(
    breakingChanges(before, change("l", { type: "array<struct<y:string,x:decimal(18,6),z:bigint>>" })),
    [],
  );
  assert.deepEqual(breakingChanges(before, before.slice(1)), ["a is gone"]);
  assert.deepEqual(breakingChanges(before, change("b", { type: "int" })), ["b was bigint and is now int"]);
  assert.equal(breakingChanges(before, change("b", { nullable: false })).length, 1);
  assert.equal(breakingChanges(before, [...before, { name: "c", type: "string", nullable: false }]).length, 1);
  assert.equal(breakingChanges(before, change("l", { type: "array<struct<x:decimal(18,6)>>" })).length, 1);
  assert.equal(breakingChanges(before, change("l", { type: "array<struct<x:double,y:string>>" })).length, 1);
});

test("a definition becomes columns with types, presence and limits", () => {
  const columns = columnsOf(
    z.object({
      id: z.string().max(5).meta({ description: "An id" }),
      size: z.enum(["s", "m"]).optional(),
      at: z.iso.datetime().meta({ column: "timestamp" }),
      rows: z
        .array(z.object({ price: z.number().meta({ column: "decimal(18,6)" }), ok: z.boolean().optional() }))
        .optional(),
    }),
  );
  assert.deepEqual(columns.map(glueType), [
    "string",
    "string",
    "timestamp",
    "array<struct<price:decimal(18,6),ok:boolean>>",
  ]);
  assert.deepEqual(columns.map(duckdbType), [
    "VARCHAR",
    "VARCHAR",
    "TIMESTAMP",
    'STRUCT("price" DECIMAL(18,6), "ok" BOOLEAN)[]',
  ]);
  assert.deepEqual(
    columns.map((column) => column.nullable),
    [false, true, false, true],
  );
  assert.deepEqual(columns[0]?.accepts, { maxLength: 5 });
  assert.deepEqual(columns[1]?.accepts, { values: ["s", "m"] });
});

test("a number without a column type is a mistake that is found at once", () => {
  assert.throws(() => columnsOf(z.object({ n: z.number() })), /n: a number needs meta/);
});

test("Glue's columns carry the definition's types and short comments", () => {
  const columns = rawEventsGlueColumns();
  const typeOf = (name: string) => columns.find((column) => column.name === name)?.type;
  assert.equal(typeOf("occurred_at"), "timestamp");
  assert.equal(typeOf("reporting_minor"), "bigint");
  assert.equal(typeOf("unit_price"), "decimal(18,6)");
  assert.match(typeOf("lines") ?? "", /^array<struct<line_id:string,.*quantity:decimal\(18,6\).*>>$/);
  assert.ok(columns.every((column) => column.comment.length <= 255));
});

test("a partition is the UTC day and hour of arrival", () => {
  assert.equal(partitionOf(Date.UTC(2026, 1, 3, 4, 59, 59, 999)), "raw_events/dt=2026-02-03/hour=04");
});
