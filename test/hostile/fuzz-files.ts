/** Files of every format the uploads read, through the whole upload: sniffed, unpacked, split, read, folded into orders. */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { reasonCodes } from "@ebb/core/reasons";
import { workbookOf } from "../uploads/make-workbook.ts";
import { type Stores, openStores } from "../uploads/stores.ts";
import { type Answer, type Part, part } from "./fuzz-parts.ts";
import { anyJson, jsonOf, mutated, nearlyEvent, oddText } from "./fuzz-texts.ts";

/** Stores grow with what they keep: after so many files they are made anew. */
const FILES_A_STORE = 2_000;

let stores: Stores | undefined;
let files = 0;
/** A number in the names of orders that no other file has. */
let next = 0;

const store = async (): Promise<Stores> => {
  if (stores !== undefined && files++ < FILES_A_STORE) return stores;
  stores?.close();
  files = 0;
  return (stores = await openStores());
};
export const closeStores = (): void => {
  stores?.close();
  stores = undefined;
};

const HEADER = ["order_id", "customer_id", "ordered_at", "product_id", "quantity", "unit_price"] as const;
/** Rows that are good, and stay so whatever stands beside them. */
const GOOD = 4;
const goodRow = (id: string): string[] => [id, "c", "2020-01-01", "p", "1", "2.50"];

type Options = Readonly<Record<string, string>>;
const options: fc.Arbitrary<Options> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Options>({}) },
  fc.record(
    {
      mode: fc.constantFrom("append", "replace"),
      currency: fc.constantFrom("GBP", "EUR", "JPY"),
      date_format: fc.constantFrom("iso", "mdy", "dmy", "excel"),
      decimal: fc.constantFrom(".", ","),
      encoding: fc.constantFrom("utf-8", "utf-16le", "utf-16be", "windows-1252"),
      delimiter: fc.constantFrom(",", ";", "tab", "|"),
      layout: fc.constantFrom("online_retail", "cdnow", "order_lines", "airline_tweets", "none"),
      header: fc.constantFrom("yes", "no"),
      filename: oddText,
    },
    { requiredKeys: [] },
  ),
);

/** What may become of any file: it is done and adds up, or is refused whole with a reason. @returns the upload's receipt */
const send = async (body: Buffer, query: Options): Promise<{ answer: Answer; refused: string[] }> => {
  const open = await store();
  const { front } = open;
  // An option that is none of ours is refused before anything is read.
  if (Object.keys(query).length > 0) {
    const request = JSON.stringify({ content: "upload_url", ...query });
    const asked = await open.post(request, {}, { "content-type": "application/json" });
    assert.ok(asked.status === 201 || (asked.status >= 400 && asked.status < 500), JSON.stringify(asked));
    if (asked.status !== 201) return { answer: `options refused, ${asked.status}`, refused: [] };
  }
  const { uploadId, state, ledger, problem } = await open.upload(body, query);
  if (state === "failed") {
    assert.ok(problem !== undefined && problem.message.length > 10, "a file is refused without a reason");
    assert.ok((reasonCodes as readonly string[]).includes(problem.code), problem.code);
    return { answer: problem.code, refused: [] };
  }
  assert.equal(state, "done");
  const { received, accepted, duplicate, quarantined, reasons = {} } = ledger!;
  assert.equal(received, accepted + duplicate + quarantined, JSON.stringify(ledger));
  assert.equal(
    quarantined,
    Object.values(reasons).reduce((sum, count) => sum + count, 0),
  );
  const { items } = await front.quarantine.list({ receiptId: uploadId, limit: 1_000 });
  assert.equal(items.length, Math.min(quarantined, 1_000));
  for (const { code, message } of items) {
    assert.ok((reasonCodes as readonly string[]).includes(code), code);
    assert.ok(message.length > 10, "a row is refused without a reason");
  }
  const refused = items.map(({ original }) => Buffer.from(original).toString("latin1"));
  return { answer: quarantined === 0 ? "taken" : "taken in part", refused };
};

/** Good rows beside bad ones: none of them is refused where the file is read at all. */
const beside = async (file: (good: readonly string[][]) => Buffer, query: Options = {}): Promise<Answer> => {
  const id = `good${next++}x`;
  const good = Array.from({ length: GOOD }, (_, at) => goodRow(`${id}${at}`));
  const { answer, refused } = await send(file(good), query);
  assert.ok(
    !refused.some((row) => row.startsWith(id) || row.startsWith(`["${id}`) || row.startsWith(`{"order_id":"${id}`)),
    `a good row was refused: ${refused.join(" | ")}`,
  );
  return answer;
};

const cell = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("1", "2.50", "c", "2020-01-01", "p", "-1", "536365", "12/1/2010 8:26") },
  { weight: 2, arbitrary: oddText },
  { weight: 1, arbitrary: oddText.map((text) => `"${text}`) },
  { weight: 1, arbitrary: oddText.map((text) => `"${text.replaceAll('"', '""')}"`) },
);
const badRow = fc.oneof(fc.array(cell, { minLength: 0, maxLength: 8 }), fc.array(cell, { minLength: 6, maxLength: 6 }));

/** A row that was cut into lines by a text with a line's end in it costs its own lines alone. */
const delimited = part(
  "CSV, rows beside good rows",
  8,
  fc.tuple(
    fc.array(badRow, { maxLength: 6 }),
    fc.constantFrom(",", ";", "\t", "|"),
    fc.constantFrom("\n", "\r\n"),
    fc.boolean(),
  ),
  ([rows, delimiter, newline, packed]) =>
    beside((good) => {
      const lines = [HEADER, good[0]!, good[1]!, ...rows, good[2]!, good[3]!].map((row) => row.join(delimiter));
      const text = Buffer.from(`${lines.join(newline)}${newline}`);
      return packed ? gzipSync(text) : text;
    }),
);

const jsonLines = part(
  "JSON Lines, rows beside good rows",
  6,
  fc.array(fc.oneof(anyJson.map(jsonOf), nearlyEvent.map(jsonOf), oddText), { maxLength: 6 }),
  (rows) =>
    beside((good) => {
      const object = (row: readonly string[]) => jsonOf(Object.fromEntries(HEADER.map((name, at) => [name, row[at]])));
      const lines = [object(good[0]!), object(good[1]!), ...rows.map((row) => row.replaceAll(/[\r\n]/g, " "))];
      return Buffer.from([...lines, object(good[2]!), object(good[3]!)].join("\n"));
    }),
);

const sheetCell = fc.oneof(cell, fc.double(), fc.integer(), fc.constant(undefined));
/** XML 1.0 has no word for control characters and halves of pairs: no sheet can hold them. */
const inXml = (value: string | number | undefined): string | number | undefined =>
  typeof value === "string" ? value.toWellFormed().replaceAll(/[\p{Cc}\ufffe\uffff]/gu, "") : value;

const workbook = part(
  "XLSX, rows beside good rows",
  2,
  fc.array(fc.array(sheetCell, { maxLength: 9 }), { maxLength: 6 }),
  (rows) =>
    beside((good) =>
      workbookOf([[...HEADER], good[0]!, good[1]!, ...rows.map((row) => row.map(inXml)), good[2]!, good[3]!]),
    ),
);

const goodBook = fc.constant(workbookOf([[...HEADER], goodRow("1"), goodRow("2")]));
const XML_WORDS = [
  ...[
    '<!DOCTYPE x [<!ENTITY a "aaaa">]>',
    "&a;",
    "&#0;",
    "&#x110000;",
    "<row>",
    "</row>",
    '<c r="ZZZZ9">',
    "<v>",
    "]]>",
  ],
  ...[
    '<row r="99999999999">',
    '<row r="-1">',
    '<c t="s"><v>1e9</v></c>',
    '<c t="s"><v>-1</v></c>',
    "<!--",
    "<![CDATA[",
    "<?x",
  ],
  ...['<c r="A1" t="inlineStr"><is><t>x</t></is></c>', '<c t="b"><v>2</v></c>', '<c t="e"><v>#REF!</v></c>', "\u0000"],
];
const sheet = mutated(
  fc.constant(
    Buffer.from(
      `<worksheet><sheetData>${[HEADER, goodRow("1"), goodRow("2")]
        .map((row) => `<row>${row.map((text) => `<c t="str"><v>${text}</v></c>`).join("")}</row>`)
        .join("")}</sheetData></worksheet>`,
    ),
  ),
  XML_WORDS,
);
const xml = part("XLSX, its XML", 2, fc.tuple(sheet, fc.boolean()), ([content, shared]) =>
  send(
    workbookOf([[...HEADER], goodRow("1")], {
      [shared ? "xl/sharedStrings.xml" : "xl/worksheets/sheet1.xml"]: content,
    }),
    {},
  ).then(({ answer }) => answer),
);
const zip = part(
  "XLSX, its zip archive",
  3,
  mutated(goodBook, ["PK\u0003\u0004", "PK\u0001\u0002", "PK\u0005\u0006"]),
  (body) => send(body, {}).then(({ answer }) => answer),
);

const goodCsv = fc.constantFrom(
  ...[",", ";", "\t", "|"].map((delimiter) =>
    Buffer.from([HEADER, goodRow("1"), goodRow("2"), goodRow("3")].map((row) => row.join(delimiter)).join("\n")),
  ),
  Buffer.from(
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n1,2,x,1,12/1/2010 8:26,2.5,3,UK\n",
  ),
  Buffer.from(" 00004 19970101  2   29.33\n 00004 19970118  2   29.73\n"),
);
const bytes = part(
  "text files, bytes changed, any options",
  6,
  fc.tuple(
    fc.oneof(
      mutated(goodCsv),
      mutated(goodCsv).map((text) => Buffer.from(text.toString("latin1"), "utf16le")),
    ),
    options,
  ),
  ([body, query]) => send(body, query).then(({ answer }) => answer),
);
const packed = part("gzip, bytes changed", 4, mutated(goodCsv.map((text) => gzipSync(text))), (body) =>
  send(body, {}).then(({ answer }) => answer),
);
const anything = part("any bytes", 3, fc.tuple(fc.uint8Array({ maxLength: 400 }), options), ([body, query]) =>
  send(Buffer.from(body), query).then(({ answer }) => answer),
);

export const fileParts: readonly Part[] = [delimited, jsonLines, workbook, xml, zip, bytes, packed, anything];
