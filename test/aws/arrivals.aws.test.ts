/** A day is complete when every receipt number that was appended has landed, or lies in quarantine because it could not. */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { ReceiptId } from "@ebb/core/ids";
import type { StreamEvent } from "@ebb/core/stream-event";
import { make as makeQuarantineFailed } from "@ebb/functions/land/quarantine-failed";
import { duckdb } from "@ebb/lake/dialect";
import { refusalOf, unlandable } from "@ebb/lake/landing";
import { lakeOf } from "@ebb/lake/testing";
import type { ReceiptPart } from "@ebb/ports";
import { AthenaArrivals } from "@ebb/ports/aws/arrivals";
import { LandingQuarantine } from "@ebb/ports/aws/landing-quarantine";
import { DynamoLedger } from "@ebb/ports/aws/ledger";
import { S3Quarantine } from "@ebb/ports/aws/quarantine";
import { createAccount } from "./account.ts";
import { startEmulator } from "./emulators.ts";

const [dynalite, fauxqs] = [await startEmulator("dynalite"), await startEmulator("fauxqs")];
after(() => Promise.all([dynalite.stop(), fauxqs.stop()]));

const DAY_MS = 86_400_000;

/** The arrivals of an account of its own, whose `raw_events` DuckDB holds in Athena's place. */
const opened = async () => {
  const { env, clients } = await createAccount({ dynamodb: dynalite, s3: fauxqs });
  const lake = await lakeOf([]);
  const nowMs = Date.now();
  const ledger = new DynamoLedger(clients.dynamo, env["EBB_LEDGER_TABLE"]!);
  const quarantine = new S3Quarantine(clients.s3, env["EBB_QUARANTINE_BUCKET"]!);
  const queries = {
    dialect: duckdb,
    query: async (sql: string) => {
      const reader = await lake.runAndReadAll(sql);
      return { columns: [], rows: reader.getRows() as bigint[][] };
    },
  };
  const landings = new LandingQuarantine(clients.s3, env["EBB_QUARANTINE_BUCKET"]!);
  const arrivals = new AthenaArrivals(clients.dynamo, env["EBB_LEDGER_TABLE"]!, queries, landings);
  const eventOf = (receiptId: string, receiptNumber: number, receivedAtMs: number): StreamEvent => ({
    event_id: `evt_${receiptId}_${receiptNumber}`,
    kind: "page",
    name: "page",
    source: "shop",
    schema_version: 1,
    occurred_at: new Date(receivedAtMs).toISOString(),
    received_at: new Date(receivedAtMs).toISOString(),
    receipt_id: receiptId,
    receipt_number: receiptNumber,
  });
  const bytesOf = (event: object): Buffer => Buffer.from(JSON.stringify(event));
  return {
    nowMs,
    quarantine,
    arrivals,
    eventOf,
    bytesOf,
    append: async (receiptId: string, events: number, more: Partial<ReceiptPart> = {}) => {
      const part: ReceiptPart = {
        receiptId: receiptId as ReceiptId,
        part: 0,
        channel: "http",
        source: "shop",
        received: events,
        quarantined: 0,
        receivedAtMs: nowMs - 60_000,
        ...more,
      };
      await ledger.commit(part, events);
    },
    land: async (receiptId: string, numbers: readonly number[], receivedAtMs = nowMs - 60_000) => {
      const instant = new Date(receivedAtMs).toISOString();
      for (const number of numbers)
        await lake.run(
          `INSERT INTO raw_events BY NAME SELECT '${receiptId}' AS receipt_id, ${number} AS receipt_number,
             TIMESTAMP '${instant.replace("T", " ").replace("Z", "")}' AS received_at, '${instant.slice(0, 10)}' AS dt`,
        );
    },
    /** As the transform and the job on Firehose's failures do. */
    refuse: async (line: Buffer) => {
      await quarantine.put([unlandable(line, refusalOf(line) ?? assert.fail("it may land"), nowMs)]);
    },
    fail: async (key: string, lines: readonly Buffer[]) => {
      const object = lines
        .map((line) => JSON.stringify({ rawData: line.toString("base64"), errorCode: "E" }))
        .join("\n");
      const handle = makeQuarantineFailed({
        lakeFailures: {
          get: async () =>
            (async function* () {
              yield Buffer.from(object);
            })(),
        },
        quarantine,
        metrics: { count: () => undefined },
        now: () => nowMs,
      });
      await handle({ Records: [{ s3: { object: { key } } }] });
    },
  };
};

describe("arrivals in AWS", () => {
  it("counts what is missing of requests and of all the parts of uploads, once however often it landed", async () => {
    const { nowMs, arrivals, append, land } = await opened();
    assert.equal(await arrivals.missing(nowMs), 0);
    await append("rcp_a", 3);
    await append("upl_b", 2, { channel: "upload" });
    await append("upl_b", 1, { channel: "upload", part: 1 });
    // After the instant that is asked for, and longer ago than the stream keeps anything.
    await append("rcp_late", 5, { receivedAtMs: nowMs + 60_000 });
    await append("rcp_old", 7, { receivedAtMs: nowMs - 8 * DAY_MS });
    assert.equal(await arrivals.missing(nowMs), 6);
    await land("rcp_a", [0, 1, 1, 1]);
    await land("upl_b", [0, 1, 2]);
    assert.equal(await arrivals.missing(nowMs), 1);
    await land("rcp_a", [2, 2]);
    assert.equal(await arrivals.missing(nowMs), 0);
  });

  it("counts as settled what landing has put into quarantine, by either way, and what both landed and lies there once", async () => {
    const { nowMs, arrivals, eventOf, bytesOf, append, land, refuse, fail } = await opened();
    const atMs = nowMs - 60_000;
    await append("rcp_a", 5);
    await land("rcp_a", [0]);
    assert.equal(await arrivals.missing(nowMs), 4);
    // The transform refuses one, twice, since Firehose may hand it over again.
    const strange = bytesOf({ ...eventOf("rcp_a", 1, atMs), kind: "?" });
    await refuse(strange);
    await refuse(strange);
    assert.equal(await arrivals.missing(nowMs), 3);
    // Firehose could not convert two; one of them had landed before.
    await fail("failed/conversion/1", [bytesOf(eventOf("rcp_a", 2, atMs)), bytesOf(eventOf("rcp_a", 0, atMs))]);
    assert.equal(await arrivals.missing(nowMs), 2);
    await land("rcp_a", [3]);
    assert.equal(await arrivals.missing(nowMs), 1);
    await land("rcp_a", [4]);
    assert.equal(await arrivals.missing(nowMs), 0);
  });

  it("does not take for settled what was refused at the door, what cannot be read, and what came at another time", async () => {
    const { nowMs, arrivals, quarantine, eventOf, bytesOf, append, refuse, fail } = await opened();
    await append("rcp_a", 1, { received: 2, quarantined: 1 });
    const atDoor = bytesOf(eventOf("rcp_a", 0, nowMs - 60_000));
    await quarantine.putPart({ receiptId: "rcp_a" as ReceiptId, part: 0 }, [
      { ...unlandable(atDoor, { code: "too_large", message: "" }, nowMs), receiptId: "rcp_a" as ReceiptId },
    ]);
    await refuse(Buffer.from("not JSON"));
    await refuse(bytesOf({ receipt_id: "rcp_a", receipt_number: "0" }));
    await fail("failed/2", [
      bytesOf(eventOf("rcp_late", 0, nowMs + 60_000)),
      bytesOf(eventOf("rcp_old", 0, nowMs - 8 * DAY_MS)),
    ]);
    assert.equal(await arrivals.missing(nowMs), 1);
  });
});
