import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { rawEventsColumns } from "@ebb/lake/raw-events";
import { DuckDBInstance } from "@duckdb/node-api";
import type { QuarantinedItem } from "../ports.ts";
import { LakeManifest } from "./lake-manifest.ts";
import { type LakeWriterOptions, LakeWriter } from "./lake-writer.ts";

const NOON = Date.UTC(2026, 0, 2, 12, 30);

const eventOf = (number: number, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  event_id: `evt_${number}`,
  kind: "order_completed",
  name: "Order Completed",
  source: "shop",
  schema_version: 1,
  occurred_at: "2026-01-02T03:04:05.678Z",
  received_at: "2026-01-02T12:30:00.000Z",
  receipt_id: "rcp_1",
  receipt_number: number,
  order_id: `o${number}`,
  reporting_minor: 123,
  lines: [{ name: "Größe 中", quantity: -2, unit_price: 0.001, total_minor: 0 }],
  ...more,
});
const recordOf = (seq: number, lines: readonly (string | object)[], arrivedAtMs = NOON) => ({
  seq,
  arrivedAtMs,
  data: Buffer.from(lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n")),
});

/** A quarantine in memory that keeps items as the port promises: once by receipt and row. */
const memoryQuarantine = () => {
  const items = new Map<string, QuarantinedItem>();
  return {
    items,
    put: async (some: readonly QuarantinedItem[]) => {
      for (const item of some) items.set(`${item.receiptId}/${item.rowNumber}`, item);
    },
  };
};

const lakeIn = (context: TestContext): string => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-lake-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};
const optionsFor = (folder: string, more: Partial<LakeWriterOptions> = {}): LakeWriterOptions => ({
  folder,
  bufferMb: 64,
  bufferSeconds: 60,
  compression: "SNAPPY",
  quarantine: memoryQuarantine(),
  metrics: { count: () => undefined },
  now: () => NOON,
  ...more,
});
const filesOf = (folder: string) => {
  const manifest = new LakeManifest(folder, { readOnly: true });
  try {
    return manifest.files();
  } finally {
    manifest.close();
  }
};
const parquetOnDisk = (folder: string): string[] =>
  readdirSync(path.join(folder, "raw_events"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".parquet"),
  );

/** Reads the manifest's files with a DuckDB of the test's own. */
const landed = async (folder: string, sql: string): Promise<unknown[][]> => {
  const paths = filesOf(folder).map((file) => `'${path.join(folder, file.path)}'`);
  if (paths.length === 0) return [];
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const reader = await connection.runAndReadAll(sql.replace("LAKE", `read_parquet([${paths.join(", ")}])`));
  const rows = reader.getRowsJson() as unknown[][];
  connection.closeSync();
  instance.closeSync();
  return rows;
};

test("records become a Parquet file of their hour of arrival, exact, with the offset they reach", async (context) => {
  const folder = lakeIn(context);
  const writer = await LakeWriter.open(optionsFor(folder));
  await writer.add([recordOf(1, [eventOf(1), eventOf(2)]), recordOf(2, [eventOf(3), ""])]);
  assert.equal(writer.offset, 0);
  await writer.flush();
  assert.equal(writer.offset, 2);
  await writer.flush(); // nothing to write: no file
  await writer.close();

  const [file, ...others] = filesOf(folder);
  assert.deepEqual(others, []);
  assert.match(file?.path ?? "", /^raw_events\/dt=2026-01-02\/hour=12\/[\w-]+\.parquet$/);
  assert.deepEqual([file?.rows, file?.firstSeq, file?.lastSeq], [3, 1, 2]);
  assert.deepEqual(
    await landed(
      folder,
      "SELECT event_id, occurred_at, receipt_number, lines[1].name, lines[1].quantity, lines[1].unit_price, currency FROM LAKE ORDER BY 1",
    ),
    [1, 2, 3].map((n) => [`evt_${n}`, "2026-01-02 03:04:05.678", String(n), "Größe 中", "-2.000000", "0.001000", null]),
  );
  const described = await landed(folder, "SELECT column_name FROM (DESCRIBE SELECT * FROM LAKE)");
  assert.deepEqual(described.flat(), [...rawEventsColumns.map((column) => column.name), "dt", "hour"]);
});

test("a full buffer lands whether its orders have twenty lines or thousands", async (context) => {
  const linesOf = (count: number) =>
    Array.from({ length: count }, (_, line) => ({
      line_id: `${line}`.padStart(32, "0"),
      product_id: `${20_000 + line}`,
      name: `WHITE HANGING HEART T-LIGHT HOLDER ${line}`,
      quantity: line,
      unit_price: 2.55,
      total_minor: 255 * line,
      occurred_at: "2026-01-02T03:04:05.678Z",
    }));
  for (const [orders, lines] of [
    [20_000, 20],
    [90, 4_500],
  ] as const) {
    const folder = lakeIn(context);
    const writer = await LakeWriter.open(optionsFor(folder));
    const same = JSON.stringify(linesOf(lines));
    const texts = Array.from({ length: orders }, (_, number) =>
      JSON.stringify(eventOf(number, { lines: "LINES" })).replace('"LINES"', same),
    );
    for (let at = 0; at < orders; at += 30) await writer.add([recordOf(at + 1, texts.slice(at, at + 30))]);
    await writer.flush();
    await writer.close();
    assert.deepEqual(await landed(folder, "SELECT count(*), sum(len(lines)) FROM LAKE"), [
      [String(orders), String(orders * lines)],
    ]);
  }
});

test("a file is closed by its size, by its age and by the hour", async (context) => {
  const folder = lakeIn(context);
  let now = NOON;
  const writer = await LakeWriter.open(optionsFor(folder, { bufferMb: 0.001, now: () => now }));
  await writer.add([recordOf(1, [eventOf(1)])]);
  assert.equal(writer.offset, 0, "a small batch waits");
  await writer.add([recordOf(2, [eventOf(2), eventOf(3), eventOf(4)])]);
  assert.equal(writer.offset, 2, "1 kB is full");

  await writer.add([recordOf(3, [eventOf(5)])]);
  now += 59_999;
  await writer.tick();
  assert.equal(writer.offset, 2, "a minute is not over");
  now += 1;
  await writer.tick();
  assert.equal(writer.offset, 3);

  await writer.add([recordOf(4, [eventOf(6)]), recordOf(5, [eventOf(7)], NOON + 3_600_000)]);
  assert.equal(writer.offset, 4, "the next hour closes the one before");
  await writer.flush();
  await writer.close();
  assert.deepEqual(
    filesOf(folder).map((file) => [path.dirname(file.path).slice(-7), file.rows]),
    [
      ["hour=12", 4],
      ["hour=12", 1],
      ["hour=12", 1],
      ["hour=13", 1],
    ],
  );
});

test("a batch of very large rows is closed at 16 MB, so that its conversion stays small", async (context) => {
  const folder = lakeIn(context);
  const writer = await LakeWriter.open(optionsFor(folder));
  const large = eventOf(1, { properties: "x".repeat(800_000) });
  const small = Array.from({ length: 40 }, (_, index) => eventOf(index));
  await writer.add([recordOf(1, small)]);
  for (let seq = 2; seq <= 20; seq++) await writer.add([recordOf(seq, [large])]);
  assert.equal(writer.offset, 0, "15.2 MB");
  for (let seq = 21; seq <= 22; seq++) await writer.add([recordOf(seq, [large])]);
  await writer.close();
  assert.deepEqual(
    filesOf(folder).map((file) => [file.rows, file.lastSeq]),
    [[60, 21]],
  );
});

test("lines that cannot land go to quarantine with their bytes and a reason, and their neighbours land", async (context) => {
  const folder = lakeIn(context);
  const quarantine = memoryQuarantine();
  const writer = await LakeWriter.open(optionsFor(folder, { quarantine }));
  const { occurred_at: _gone, ...timeless } = eventOf(101);
  const bad: [line: string, code: string][] = [
    ['{"event_id":"evt_100","kind":', "unreadable_record"],
    ["[1, 2]", "unreadable_record"],
    ["null", "unreadable_record"],
    ['"a text"', "unreadable_record"],
    [JSON.stringify(timeless), "unreadable_record"],
    [JSON.stringify(eventOf(102, { kind: "order_eaten" })), "unreadable_record"],
    [JSON.stringify(eventOf(103, { schema_version: 99 })), "unreadable_record"],
    [JSON.stringify(eventOf(104, { lines: [{ quantity: 1 }] })), "unreadable_record"],
    [JSON.stringify(eventOf(105)) + JSON.stringify(eventOf(106)), "unreadable_record"],
    [JSON.stringify(eventOf(107, { quantity: 1e14 })), "conversion_failed"],
    [JSON.stringify(eventOf(108, { order_rank: 2 ** 40 })), "conversion_failed"],
  ];
  const garbage = { seq: 90, arrivedAtMs: NOON, data: Uint8Array.of(0x7b, 0xff, 0xfe, 0x00, 0x7d) };
  for (const [index, [line]] of bad.entries())
    await writer.add([recordOf(index + 1, [eventOf(2 * index), line, eventOf(2 * index + 1)])]);
  await writer.add([garbage, recordOf(91, [eventOf(99)])]);
  await writer.flush();
  await writer.close();

  assert.deepEqual(await landed(folder, "SELECT count(*), count(DISTINCT event_id), max(receipt_number) FROM LAKE"), [
    [String(2 * bad.length + 1), String(2 * bad.length + 1), "99"],
  ]);
  const bytes = (line: string) => Buffer.from(line).toString("latin1");
  const kept = new Map(
    [...quarantine.items.values()].map((item) => [Buffer.from(item.original).toString("latin1"), item]),
  );
  assert.equal(kept.size, bad.length + 1);
  for (const [line, code] of bad) assert.equal(kept.get(bytes(line))?.code, code, line);
  assert.equal(kept.get("{\xff\xfe\x00}")?.code, "invalid_encoding");
  assert.match(kept.get(bytes(bad[4]![0]))?.message ?? "", /occurred_at: .*It came with rcp_1\.$/);
  assert.equal(kept.get(bytes(bad[4]![0]))?.source, "shop");
});

test("a batch of nothing but garbage moves the offset and writes no file", async (context) => {
  const folder = lakeIn(context);
  const quarantine = memoryQuarantine();
  const writer = await LakeWriter.open(optionsFor(folder, { quarantine }));
  await writer.add([recordOf(1, ["x", "y"])]);
  await writer.flush();
  assert.equal(writer.offset, 1);
  await writer.close();
  assert.deepEqual(filesOf(folder), []);
  assert.deepEqual(parquetOnDisk(folder), []);
  assert.equal(quarantine.items.size, 2);
});

test("when the quarantine cannot be written nothing moves, and the next try lands everything once", async (context) => {
  const folder = lakeIn(context);
  const quarantine = memoryQuarantine();
  let broken = true;
  const put = async (items: readonly QuarantinedItem[]) => {
    if (broken) throw new Error("disk full");
    await quarantine.put(items);
  };
  const writer = await LakeWriter.open(optionsFor(folder, { quarantine: { put } }));
  await writer.add([recordOf(1, [eventOf(1), "bad"])]);
  await assert.rejects(writer.flush(), /disk full/);
  assert.equal(writer.offset, 0);
  await writer.add([recordOf(2, [eventOf(2)])]);
  broken = false;
  await writer.flush();
  assert.equal(writer.offset, 2);
  await writer.close();
  assert.deepEqual(await landed(folder, "SELECT event_id FROM LAKE ORDER BY 1"), [["evt_1"], ["evt_2"]]);
  assert.equal(quarantine.items.size, 1);
});

test("a restart clears leftovers and passes over records that are in the lake", async (context) => {
  const folder = lakeIn(context);
  const first = await LakeWriter.open(optionsFor(folder));
  await first.add([recordOf(1, [eventOf(1)])]);
  await first.flush();
  await first.add([recordOf(2, [eventOf(2)])]); // staged only, as when the process dies here
  await first.close();
  const orphan = path.join(folder, "raw_events/dt=2026-01-02/hour=12/000-orphan.parquet");
  writeFileSync(orphan, "a file whose transaction never came");
  mkdirSync(path.join(folder, "staging/piece"), { recursive: true });

  const second = await LakeWriter.open(optionsFor(folder));
  assert.equal(second.offset, 1);
  assert.equal(existsSync(orphan), false);
  assert.deepEqual(readdirSync(path.join(folder, "staging")), []);
  await second.add([recordOf(1, [eventOf(1)]), recordOf(2, [eventOf(2)]), recordOf(2, [eventOf(2)])]);
  await second.flush();
  await second.close();
  assert.deepEqual(await landed(folder, "SELECT event_id FROM LAKE ORDER BY 1"), [["evt_1"], ["evt_2"]]);
});

test("small files of an hour that is over become one; the old ones stay for an hour", async (context) => {
  const folder = lakeIn(context);
  let now = NOON;
  const writer = await LakeWriter.open(optionsFor(folder, { now: () => now }));
  for (let seq = 1; seq <= 5; seq++) {
    await writer.add([recordOf(seq, [eventOf(seq)], NOON + (seq === 5 ? 3_600_000 : 0))]);
    await writer.flush();
  }
  const before = await landed(folder, "SELECT * FROM LAKE ORDER BY event_id");
  await writer.tick();
  assert.equal(filesOf(folder).length, 5, "the hour is not over");
  now = NOON + 3_600_000;
  await writer.tick();
  assert.deepEqual(
    filesOf(folder).map((file) => [file.rows, file.firstSeq, file.lastSeq]),
    [
      [4, 1, 4],
      [1, 5, 5],
    ],
  );
  assert.deepEqual(await landed(folder, "SELECT * FROM LAKE ORDER BY event_id"), before);
  assert.equal(parquetOnDisk(folder).length, 6);
  now += 3_600_001;
  await writer.tick();
  assert.equal(parquetOnDisk(folder).length, 2);
  await writer.close();
  const reopened = await LakeWriter.open(optionsFor(folder));
  await reopened.close();
  assert.deepEqual(await landed(folder, "SELECT * FROM LAKE ORDER BY event_id"), before);
});

test("killed at any instant, nothing is lost and nothing is there twice", { timeout: 60_000 }, async (context) => {
  const folder = lakeIn(context);
  const module = JSON.stringify(path.join(import.meta.dirname, "lake-writer.ts"));
  const RECORDS = 90;
  const script = `
    import { LakeWriter } from ${module};
    const writer = await LakeWriter.open({ folder: ${JSON.stringify(folder)}, bufferMb: 64, bufferSeconds: 60,
      compression: "SNAPPY", quarantine: { put: async () => {} }, metrics: { count() {} }, now: Date.now });
    process.stdout.write("open\\n");
    const base = ${JSON.stringify(eventOf(0))};
    for (let seq = writer.offset + 1; seq <= ${RECORDS}; seq++) {
      const lines = Array.from({ length: 20 }, (_, i) => JSON.stringify({ ...base, event_id: "evt_" + (seq * 20 + i) }));
      await writer.add([{ seq, arrivedAtMs: ${NOON}, data: Buffer.from(lines.join("\\n")) }]);
      if (seq % 7 === 0) await writer.flush();
    }
    await writer.flush();
    process.stdout.write("done\\n");`;
  const life = async (killAfterMs: number | undefined): Promise<string> => {
    const child = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", "--input-type=module-typescript", "-e", script],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    let output = "";
    const opened = new Promise<void>((resolve) =>
      child.stdout.on("data", (data: Buffer) => {
        output += data.toString();
        resolve();
      }),
    );
    const closed = new Promise((resolve) => child.on("close", resolve));
    await Promise.race([opened, closed]);
    if (killAfterMs !== undefined) {
      await Promise.race([delay(killAfterMs), closed]);
      child.kill("SIGKILL");
    }
    await closed;
    return output;
  };
  for (const killAfterMs of [3, 71, 140]) await life(killAfterMs);
  assert.match(await life(undefined), /done/);
  assert.deepEqual(await landed(folder, "SELECT count(*), count(DISTINCT event_id) FROM LAKE"), [
    [String(RECORDS * 20), String(RECORDS * 20)],
  ]);
  assert.equal(parquetOnDisk(folder).length, filesOf(folder).length);
});
