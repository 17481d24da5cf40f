import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import type { ReceiptId } from "@ebb/core/ids";
import { sampleEvent, samplePart, sampleQuarantined } from "@ebb/ports/contracts/samples";
import { EmbeddedEventLog } from "@ebb/ports/embedded/event-log";
import { LogReader } from "@ebb/ports/embedded/log-reader";
import { EmbeddedUploadStore } from "@ebb/ports/embedded/upload-store";
import { httpEvent } from "../../../../test/support/http-event.ts";
import { READ_KEY, WRITE_KEY, memoryPorts } from "../../../../test/support/memory-ports.ts";
import type { HttpEvent, HttpHandler } from "../runtime/http.ts";
import { make as makeLedger } from "./ledger.ts";
import { make as makeQuarantine } from "./quarantine.ts";

const { keys } = memoryPorts();
let folder: string;
let log: EmbeddedEventLog;
let reader: LogReader;
let uploads: EmbeddedUploadStore;
let ledger: HttpHandler;
let quarantine: HttpHandler;
const [first, second] = [`rcp_${"1".repeat(32)}` as ReceiptId, `upl_${"2".repeat(32)}` as ReceiptId];

before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "ebb-serve-"));
  log = new EmbeddedEventLog(folder);
  reader = new LogReader(folder);
  uploads = new EmbeddedUploadStore(folder);
  ledger = makeLedger({ keys, uploads, ledger: reader.ledger() });
  quarantine = makeQuarantine({
    keys,
    quarantine: reader.quarantine({
      put: (items) => log.quarantine(items),
      markReplayed: (marks) => log.markReplayed(marks),
    }),
  });
  const text = { ...sampleQuarantined(first, 1, "invalid_field"), original: Buffer.from('{"total":"ten €"}') };
  await log.append(samplePart(first, 3, 2), [sampleEvent("a")], [text, sampleQuarantined(first, 2, "too_large")]);
  await log.append(samplePart(second, 10, 1), [sampleEvent("b")], [sampleQuarantined(second, 7, "malformed_row")]);
});
after(async () => {
  uploads.close();
  reader.close();
  log.close();
  await rm(folder, { recursive: true });
});

const get = async (handler: HttpHandler, query: Record<string, string> = {}, id?: string, presented = READ_KEY) => {
  const headers = { authorization: `Bearer ${presented}` };
  const pathParameters = id === undefined ? {} : { pathParameters: { id } };
  const path = handler === quarantine ? "/v1/quarantine" : id === undefined ? "/v1/ledger" : "/v1/ledger/{id}";
  return answerTo(handler, httpEvent(path, "", { method: "GET", query, headers, ...pathParameters }));
};
const answerTo = async (handler: HttpHandler, event: HttpEvent) => {
  const { statusCode, headers, body = "", isBase64Encoded } = await handler(event, {} as never);
  const bytes = Buffer.from(body, isBase64Encoded === true ? "base64" : "utf8");
  return {
    status: statusCode,
    headers: headers ?? {},
    bytes,
    wireBytes: body.length,
    json: () => JSON.parse(bytes.toString()) as Record<string, unknown>,
  };
};
interface Item {
  row_number: number;
  original?: string;
  original_base64?: string;
}

describe("GET /v1/ledger", () => {
  it("answers one receipt's line, settled where its unit is the event", async () => {
    assert.deepEqual((await get(ledger, {}, first)).json(), {
      receipt_id: first,
      channel: "http",
      source: "shop",
      received: 3,
      appended: 1,
      quarantined: 2,
      accepted: 1,
      duplicate: 0,
      received_at: "2023-11-14T22:13:20.000Z",
    });
    const upload = (await get(ledger, {}, second)).json();
    assert.deepEqual(
      [upload["received"], upload["appended"], upload["quarantined"], "accepted" in upload],
      [10, 9, 1, false],
    );
    assert.equal((await get(ledger, {}, "rcp_none")).status, 404);
  });

  it("tells of a file what its upload settled, in a list too, and nothing before the file's end", async () => {
    const counts = { received: 10, accepted: 7, duplicate: 2, quarantined: 1 };
    const upload = { uploadId: second, source: "shop", objectKey: "o", options: {}, createdAtMs: 1, updatedAtMs: 1 };
    const told = async (): Promise<unknown[]> => {
      const { lines } = (await get(ledger)).json() as { lines: Record<string, unknown>[] };
      const one = (await get(ledger, {}, second)).json();
      return [one, lines.find((line) => line["receipt_id"] === second)!].map((line) => [
        line["accepted"],
        line["duplicate"],
      ]);
    };
    const unknown = [undefined, undefined];
    await uploads.put({ ...upload, state: "processing", ledger: counts });
    assert.deepEqual(await told(), [unknown, unknown]);
    await uploads.put({ ...upload, state: "done", ledger: { ...counts, settled: false } }); // as Kinesis leaves it
    assert.deepEqual(await told(), [unknown, unknown]);
    await uploads.put({ ...upload, state: "done", ledger: counts });
    assert.deepEqual(await told(), [
      [7, 2],
      [7, 2],
    ]);
  });

  it("lists the newest first, in pages", async () => {
    const page = (await get(ledger, { limit: "1" })).json() as { lines: { receipt_id: string }[]; cursor: string };
    const next = (await get(ledger, { limit: "1", cursor: page.cursor })).json() as typeof page;
    assert.deepEqual(
      [...page.lines, ...next.lines].map((line) => line.receipt_id),
      [second, first],
    );
  });

  it("refuses a wrong limit or cursor with a reason", async () => {
    for (const wrong of ["limit=0", "limit=1001", "limit=x", "limit=-1", "cursor=nonsense"]) {
      const answer = await get(ledger, Object.fromEntries(new URLSearchParams(wrong)));
      assert.equal(answer.status, 400, wrong);
      assert.equal(answer.json()["parameter"], wrong.split("=")[0]);
    }
  });
});

describe("GET /v1/ledger and /v1/quarantine", () => {
  it("ask for a read key", async () => {
    for (const handler of [ledger, quarantine]) {
      assert.equal((await get(handler, {}, undefined, WRITE_KEY)).status, 403);
      assert.equal((await get(handler, {}, undefined, "unknown")).status, 401);
    }
  });
});

describe("GET /v1/quarantine", () => {
  it("lists by receipt and reason, with counts, text as text and other bytes in base64", async () => {
    const all = (await get(quarantine)).json() as { items: Item[]; counts: unknown };
    assert.equal(all.items.length, 3);
    assert.deepEqual(all.counts, { invalid_field: 1, malformed_row: 1, too_large: 1 });
    const own = (await get(quarantine, { receipt_id: first })).json() as { items: Item[] };
    assert.deepEqual(
      own.items.map((item) => item.row_number),
      [1, 2],
    );
    assert.equal(own.items[0]!.original, '{"total":"ten €"}');
    assert.deepEqual(Buffer.from(own.items[1]!.original_base64!, "base64"), Buffer.from([0xff, 0x00, 0x7b, 2]));
    const large = (await get(quarantine, { receipt_id: first, code: "too_large" })).json() as { items: Item[] };
    assert.deepEqual(
      large.items.map((item) => item.row_number),
      [2],
    );
  });

  it("downloads as JSON lines, and going on by the cursor in a header", async () => {
    const page = await get(quarantine, { format: "jsonl", limit: "2" });
    assert.equal(page.headers["content-type"], "application/x-ndjson");
    assert.match(String(page.headers["content-disposition"]), /^attachment; filename="quarantine\.jsonl"$/);
    const cursor = String(page.headers["x-next-cursor"]);
    const rest = await get(quarantine, { format: "jsonl", limit: "2", cursor });
    const lines = `${page.bytes.toString()}${rest.bytes.toString()}`.trimEnd().split("\n");
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as Item).row_number),
      [1, 2, 7],
    );
  });

  it("downloads the original bytes of one receipt's rows", async () => {
    const { bytes, status } = await get(quarantine, { format: "original", receipt_id: first });
    assert.equal(status, 200);
    assert.deepEqual(
      bytes,
      Buffer.concat([Buffer.from('{"total":"ten €"}\n'), Buffer.from([0xff, 0x00, 0x7b, 2, 0x0a])]),
    );
  });

  it("refuses what it cannot answer with the parameter's name", async () => {
    const wrong = { code: "unknown", format: "xml", cursor: "nonsense", limit: "1e3" };
    for (const [parameter, value] of Object.entries(wrong)) {
      const answer = await get(quarantine, { [parameter]: value });
      assert.deepEqual([answer.status, answer.json()["parameter"]], [400, parameter]);
    }
    assert.equal((await get(quarantine, { format: "original" })).json()["parameter"], "receipt_id");
  });

  it("answers as much of a page as fits when originals are large", async () => {
    const receipt = `rcp_${"3".repeat(32)}` as ReceiptId;
    const items = Array.from({ length: 8 }, (_, row) => ({
      ...sampleQuarantined(receipt, row, "too_large"),
      original: Buffer.alloc(900_000, row % 2 === 0 ? '"' : row), // grow most: all quotes, all control characters
    }));
    await log.quarantine(items);
    const rows: number[] = [];
    const limit = { receipt_id: receipt, format: "jsonl" };
    assert.ok((await get(quarantine, limit)).wireBytes < 6_000_000);
    for (let cursor: string | undefined, first = true; first || cursor !== undefined; first = false) {
      const answer = await get(quarantine, { receipt_id: receipt, ...(cursor === undefined ? {} : { cursor }) });
      assert.ok(answer.wireBytes < 6_000_000);
      const page = answer.json() as { items: Item[]; cursor?: string };
      rows.push(...page.items.map((item) => item.row_number));
      cursor = page.cursor;
    }
    assert.deepEqual(rows, [0, 1, 2, 3, 4, 5, 6, 7]);
  });
});
