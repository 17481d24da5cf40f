/** Files that are broken, wrong or meant to do harm: each is answered with a reason, and costs no neighbour. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { limits } from "@ebb/core/limits";
import { workbookOf, zipOf } from "../uploads/make-workbook.ts";
import type { Stores } from "../uploads/stores.ts";
import { openStores } from "../uploads/stores.ts";

let stores: Stores;
before(async () => void (stores = await openStores()));
after(() => stores.close());

const header = "order_id,customer_id,ordered_at,product_id,quantity,unit_price";
const good = (id: string) => `${id},c,2020-01-01,p,1,2.50`;
/** What is left of the quarantine of one upload: code, row and original text. */
const refusedOf = async (receiptId: string) =>
  (await stores.quarantined())
    .filter((item) => item.receiptId === receiptId)
    .map((item) => ({ code: item.code, row: item.rowNumber, text: Buffer.from(item.original).toString("latin1") }));

const rowsCases: [string, Buffer, string][] = [
  ["a quote that never closes", Buffer.from(`x1,"c,2020-01-01,p,1,2.50`), "malformed_row"],
  ["text after a closing quote", Buffer.from(`x2,"c"c,2020-01-01,p,1,2.50`), "malformed_row"],
  ["a missing column", Buffer.from("x3,c,2020-01-01,p,1"), "malformed_row"],
  ["a column too many", Buffer.from("x4,c,2020-01-01,p,1,2.50,more"), "malformed_row"],
  ["bytes that are no UTF-8", Buffer.from("x5,c,2020-01-01,p\xff\xfe,1,2.50", "latin1"), "invalid_encoding"],
  ["half a surrogate pair in UTF-8", Buffer.from("x6,c,2020-01-01,p\xed\xa0\x80,1,2.50", "latin1"), "invalid_encoding"],
  ["NaN as a quantity", Buffer.from("x7,c,2020-01-01,p,NaN,2.50"), "invalid_field"],
  ["an endless number", Buffer.from(`x8,c,2020-01-01,p,${"9".repeat(400)},2.50`), "invalid_field"],
  ["a number beyond all money", Buffer.from("x9,c,2020-01-01,p,1,99999999999999"), "amount_out_of_range"],
  ["a day that does not exist", Buffer.from("x10,c,2021-02-29,p,1,2.50"), "invalid_time"],
  ["the future", Buffer.from("x11,c,2031-01-01,p,1,2.50"), "future_time"],
  ["no order id", Buffer.from(",c,2020-01-01,p,1,2.50"), "missing_field"],
  ["an order id without end", Buffer.from(`${"9".repeat(300)},c,2020-01-01,p,1,2.50`), "invalid_field"],
  ["a zero byte", Buffer.from("x12,c,2020-01-01\0,p,1,2.50"), "invalid_time"],
];

for (const [name, row, code] of rowsCases)
  test(`a row with ${name} is quarantined whole, and its neighbours are taken`, async () => {
    const id = `${code}${row.length}`;
    // Beyond the beginning that decides whether a file is text.
    const padding = Array.from({ length: 200 }, (_, n) => good(`${id}-${n}`)).join("\n");
    const body = Buffer.concat([Buffer.from(`${header}\n${padding}\n`), row, Buffer.from(`\n${good(`${id}-z`)}\n`)]);
    const upload = await stores.upload(body);
    assert.equal(upload.state, "done", JSON.stringify(upload.problem));
    assert.deepEqual(upload.ledger, {
      received: 202,
      accepted: 201,
      duplicate: 0,
      quarantined: 1,
      reasons: { [code]: 1 },
    });
    assert.deepEqual(await refusedOf(upload.uploadId), [{ code, row: 202, text: row.toString("latin1") }]);
  });

const wholeCases: [string, Buffer, string, RegExp][] = [
  ["nothing", Buffer.alloc(0), "unreadable_file", /empty/],
  ["only blank lines", Buffer.from("\n\n \n"), "unreadable_file", /no rows/],
  ["an unknown header", Buffer.from("first,last\nAnn,Bee\n"), "unknown_layout", /first, last/],
  [
    "a spreadsheet renamed to .csv",
    Buffer.from("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".repeat(100), "latin1"),
    "unreadable_file",
    /XLS/,
  ],
  ["a picture", Buffer.from(`\x89PNG\r\n\x1a\n\0\0\0\rIHDR${"\0".repeat(500)}`, "latin1"), "unreadable_file", /binary/],
  ["a web page", Buffer.from("<!doctype html>\n<html></html>\n"), "unknown_layout", /doctype/],
  ["a JSON list", Buffer.from('[{"order_id":1}]'), "unreadable_file", /JSON Lines/],
  ["gzip cut off", gzipSync(`${header}\n${good("1")}\n`.repeat(50)).subarray(0, 60), "unreadable_file", /cut off/],
  [
    "gzip with a damaged end",
    Buffer.concat([gzipSync(`${header}\n${good("1")}\n`).subarray(0, -8), Buffer.alloc(8)]),
    "unreadable_file",
    /damaged/,
  ],
  ["a zip archive that is no workbook", zipOf({ "a.csv": header }), "unreadable_file", /workbook/],
  ["a zip archive cut off", workbookOf([["a"]]).subarray(0, 300), "unreadable_file", /workbook/],
  ["a workbook packed by gzip", gzipSync(workbookOf([["a"]])), "unreadable_file", /zip archive/],
  ["a workbook with an unknown header", workbookOf([["first", "last"]]), "unknown_layout", /first, last/],
  ["an empty workbook", workbookOf([]), "unreadable_file", /no rows/],
];

for (const [name, body, code, message] of wholeCases)
  test(`${name} is refused whole, with what was expected`, async () => {
    const upload = await stores.upload(body, { filename: "orders.csv" });
    assert.equal(upload.state, "failed");
    assert.equal(upload.problem?.code, code);
    assert.match(upload.problem?.message ?? "", message);
    assert.equal(upload.checkpoint, undefined);
    if (body[0] === 0x50) return; // a workbook is looked into when it is processed
    const direct = await stores.post(body);
    assert.equal(direct.status, 400);
    assert.match(String(direct.body["detail"]), message);
  });

test("a gzip bomb is stopped long before it is unpacked", async () => {
  const line = `${good("1")}\n`;
  const upload = await stores.upload(
    gzipSync(Buffer.concat([Buffer.from(`${header}\n`), Buffer.alloc(200_000_000, line)])),
  );
  assert.deepEqual([upload.state, upload.problem?.code], ["failed", "too_large"]);
});

test("one long text that every cell of a workbook refers to is refused long before they are all written out", async () => {
  // 900 KB a row, 2.7 GB in all, in a file of some kilobytes.
  const rows = Array.from(
    { length: 3_000 },
    (_, at) => `<row r="${at + 2}">${'<c t="s"><v>6</v></c>'.repeat(9)}</row>`,
  );
  const names = header.split(",");
  const bomb = workbookOf([names], {
    "xl/sharedStrings.xml": `<sst>${[...names, "x".repeat(99_000)].map((text) => `<si><t>${text}</t></si>`).join("")}</sst>`,
    "xl/worksheets/sheet1.xml": `<worksheet><sheetData><row r="1">${names
      .map((_, at) => `<c t="s"><v>${at}</v></c>`)
      .join("")}</row>${rows.join("")}</sheetData></worksheet>`,
  });
  assert.ok(bomb.length < 20_000, `${bomb.length} bytes`);
  const upload = await stores.upload(bomb);
  assert.deepEqual([upload.state, upload.problem?.code], ["failed", "too_large"]);
});

test("a zip bomb in a workbook is refused by its declared size, and a lie about the size by what comes out", async () => {
  const bomb = zipOf({
    "xl/_rels/workbook.xml.rels":
      '<Relationships><Relationship Id="r1" Type="x/worksheet" Target="s.xml"/></Relationships>',
    "xl/workbook.xml": '<workbook xmlns:r="r"><sheets><sheet r:id="r1"/></sheets></workbook>',
    "xl/s.xml": Buffer.alloc(120_000_000, 32),
  });
  const declared = await stores.upload(bomb);
  assert.deepEqual([declared.state, declared.problem?.code], ["failed", "too_large"]);
  // The size stands in the central directory, 24 bytes into the entry's header.
  const lie = Buffer.from(bomb);
  const entry = lie.lastIndexOf(Buffer.from("PK\x01\x02"));
  lie.writeUInt32LE(1000, entry + 24);
  const found = await stores.upload(lie);
  assert.deepEqual([found.state, found.problem?.code], ["failed", "unreadable_file"]);
});

test("a billion laughs, an external entity and an unknown one are refused", async () => {
  const laughs = `<!DOCTYPE lolz [<!ENTITY lol "lol">${Array.from({ length: 9 }, (_, n) => `<!ENTITY lol${n + 1} "${`&lol${n || ""};`.repeat(10)}">`).join("")}]>`;
  const sheets = [
    `<?xml version="1.0"?>${laughs}<worksheet><sheetData><row r="1"><c t="inlineStr"><is><t>&lol9;</t></is></c></row></sheetData></worksheet>`,
    `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><worksheet><sheetData><row r="1"><c t="str"><v>&e;</v></c></row></sheetData></worksheet>`,
    `<worksheet><sheetData><row r="1"><c t="str"><v>&nothing;</v></c></row></sheetData></worksheet>`,
    `<worksheet><sheetData><row r="99999999"><c><v>1</v></c></row></sheetData></worksheet>`,
    `<worksheet><sheetData><row r="1"><c r="ZZZ1"><v>1</v></c></row></sheetData></worksheet>`,
    `<worksheet><sheetData><row r="1"><c t="s"><v>7</v></c></row></sheetData></worksheet>`,
    `<worksheet><sheetData><row r="1">`,
  ];
  for (const sheet of sheets) {
    const upload = await stores.upload(workbookOf([], { "xl/worksheets/sheet1.xml": sheet }));
    assert.equal(upload.state, "failed", sheet.slice(0, 120));
    assert.match(upload.problem!.code, /unreadable_file|too_large/);
  }
});

test("an order over the limit of lines, or of bytes, is quarantined whole and its neighbours are taken", async () => {
  const many = Array.from({ length: limits.orderLines + 1 }, (_, n) => `big,c,2020-01-01,p${n},1,1`);
  const wide = Array.from({ length: 2_000 }, (_, n) => `wide,c,2020-01-01,${"w".repeat(250)},${n},1`);
  const lines = [header, good("before"), ...many, ...wide, good("after")];
  lines.splice(500, 0, good("between"));
  const upload = await stores.upload(lines.join("\n"));
  const ledger = upload.ledger!;
  assert.equal(ledger.received, many.length + wide.length + 3);
  // 2,000 lines of some 400 bytes are under the limit; the order with 10,001 lines is not.
  assert.deepEqual([ledger.accepted, ledger.quarantined], [wide.length + 3, many.length]);
  const wider = Array.from({ length: 3_000 }, (_, n) => `wider,c,2020-01-01,${"é".repeat(250)},${n},1`);
  const second = await stores.upload([header, ...wider, good("beside")].join("\n"));
  assert.deepEqual([second.ledger?.accepted, second.ledger?.reasons], [1, { too_large: wider.length }]);
});

test("a file of one order only, larger than a partition may be in memory, ends in quarantine row by row", async () => {
  const rows = 150_000;
  const line = (n: number) => `one,c,2020-01-01,${"p".repeat(80)}${n},1,1\n`;
  const body = Buffer.from(
    `${header}\n${Array.from({ length: rows }, (_, n) => line(n)).join("")}${good("two")}\n"stray\n`,
  );
  const upload = await stores.upload(body);
  assert.deepEqual(upload.ledger, {
    received: rows + 2,
    accepted: 1,
    duplicate: 0,
    quarantined: rows + 1,
    reasons: { too_large: rows, malformed_row: 1 },
  });
});

test("a name of a file is shown without folders and signs, and never becomes a path", async () => {
  const names: [string, string | undefined][] = [
    ["../../etc/passwd", "passwd"],
    ["..\\..\\boot.ini", "boot.ini"],
    ["/abs/orders.csv", "orders.csv"],
    ["a\0b\u202ecsv.exe", "abcsv.exe"],
    ["../", undefined],
  ];
  for (const [filename, shown] of names) {
    const answer = await stores.post(`${header}\n${good("n")}\n`, { filename });
    assert.equal(answer.status, 202);
    assert.equal(answer.body["filename"], shown);
    const stored = await stores.front.uploads.get(answer.body["upload_id"] as never);
    assert.equal(stored!.objectKey, `uploads/2026-01-01/${stored!.uploadId}/content`);
  }
  await stores.drain();
});

test("options that are not, and bodies that are none, are problems with every fault named", async () => {
  const wrong = await stores.post(`${header}\n`, {
    layout: "excel",
    mode: "merge",
    currency: "EURO",
    decimal: "'",
    mapping: "{",
  });
  assert.equal(wrong.status, 400);
  assert.deepEqual((wrong.body["errors"] as { parameter: string }[]).map(({ parameter }) => parameter).sort(), [
    "currency",
    "decimal",
    "layout",
    "mapping",
    "mode",
  ]);
  const type = { "content-type": "application/json" };
  assert.equal((await stores.post("{", {}, type)).body["type"], "urn:ebb:problem:invalid_json");
  assert.equal((await stores.post("[]", {}, type)).status, 400);
  assert.equal((await stores.post('{"content":"now"}', {}, type)).status, 400);
  assert.equal((await stores.post('{"content":"upload_url","size":9e12}', {}, type)).status, 400);
  assert.equal((await stores.post(Buffer.alloc(limits.directUploadBytes + 1, 65))).status, 413);
  assert.equal((await stores.post(`${header}\n`, { source: "other" })).status, 403);
  assert.equal((await stores.post(`${header}\n`, {}, { authorization: "Bearer nobody" })).status, 401);
  assert.equal((await stores.post(`${header}\n`, {}, { authorization: "Bearer read-all" })).status, 403);
  const deep = `{"order_id":"d","date":"2020-01-01","total":1}\n${"[".repeat(500_000)}\n{"order_id":"e","date":"2020-01-01","total":${"{}".repeat(9)}}\n`;
  const upload = await stores.upload(deep);
  assert.deepEqual(upload.ledger?.reasons, { invalid_json: 2 });
});
