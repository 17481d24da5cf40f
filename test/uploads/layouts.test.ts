import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { StreamEvent } from "@ebb/core/stream-event";
import { workbookOf } from "./make-workbook.ts";
import { SECRET, openStores } from "./stores.ts";
import { Pseudonymizer } from "@ebb/core/ids";

const key = (id: string) => new Pseudonymizer(SECRET).customer(id);

/** Each file into stores of its own: the events, without what only the clock and the upload say. */
const eventsOf = async (
  body: Buffer | string,
  options: Record<string, unknown> = {},
  rates?: NonNullable<Parameters<typeof openStores>[0]>["rates"],
) => {
  const stores = await openStores(rates === undefined ? {} : { rates });
  try {
    const upload = await stores.upload(body, options);
    const events = stores.events();
    for (const event of events) StreamEvent.parse(event);
    return { upload, events, quarantined: await stores.quarantined() };
  } finally {
    stores.close();
  }
};

const header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";
const retail = [
  header,
  "536365,85123A,WHITE HANGING HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom",
  '536366,22633,"HAND WARMER, UNION JACK",6,2010-12-01 08:28:00,1.85,17850.0,United Kingdom',
  "536365,71053,WHITE METAL LANTERN,6,2010-12-01 08:26:00,3.39,17850.0,United Kingdom",
  "C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527.0,United Kingdom",
  "536414,22139,,56,2010-12-01 11:52:00,0.0,,United Kingdom",
];
const lineIds = (events: readonly StreamEvent[]) =>
  events
    .flatMap((event) => event.lines ?? [])
    .map((line) => line.line_id)
    .sort();

test("Online Retail: rows of an order become one event, cancellations are refunds by their own id", async () => {
  const { upload, events } = await eventsOf(retail.join("\n"));
  assert.deepEqual(upload.ledger, { received: 5, accepted: 5, duplicate: 0, quarantined: 0, reasons: {} });
  assert.equal(events.length, 4);
  const order = events.find((event) => event.order_id === "536365")!;
  assert.equal(order.kind, "order_completed");
  assert.equal(order.customer_key, key("17850"));
  assert.equal(order.occurred_at, "2010-12-01T08:26:00.000Z");
  assert.equal(order.country, "United Kingdom");
  assert.equal(order.total_minor, 3564);
  assert.equal(order.reporting_minor, 3564);
  assert.deepEqual([order.currency, order.order_rank, order.order_version], ["GBP", 1, 1]);
  assert.deepEqual(
    order.lines!.map(({ line_id: _, ...line }) => line),
    [
      { product_id: "85123A", name: "WHITE HANGING HEART", quantity: 6, unit_price: 2.55, total_minor: 1530 },
      { product_id: "71053", name: "WHITE METAL LANTERN", quantity: 6, unit_price: 3.39, total_minor: 2034 },
    ],
  );
  const refund = events.find((event) => event.kind === "order_refunded")!;
  assert.deepEqual([refund.refund_id, refund.order_id, refund.reporting_minor], ["C536379", undefined, 2750]);
  assert.equal(refund.lines![0]!.total_minor, -2750);
  const anonymous = events.find((event) => event.order_id === "536414")!;
  assert.deepEqual([anonymous.customer_key, anonymous.total_minor], [undefined, 0]);
  assert.equal(
    events
      .map((event) => event.receipt_number)
      .sort()
      .join(),
    "0,1,2,3",
  );
  assert.ok(!JSON.stringify(events).includes("17850"), "no customer id of the producer is on the log");
});

test("the same rows in another dialect, encoding or format are the same rows", async () => {
  const plain = await eventsOf(retail.join("\n"));
  const rows = retail.map((line) =>
    line
      .match(/("[^"]*"|[^,]*)(,|$)/g)!
      .slice(0, 8)
      .map((cell) => cell.replace(/,$/, "").replace(/"/g, "")),
  );
  const semicolons = rows
    .map((cells, index) =>
      (index === 0 ? cells : cells.map((cell, column) => (column === 5 ? cell.replace(".", ",") : cell))).join(";"),
    )
    .join("\r\n");
  const american = rows.map((cells, index) =>
    (index === 0
      ? cells
      : cells.map((cell, column) => (column === 4 ? cell.replace(/2010-12-01 0?(\d+:\d\d):00/, "12/1/2010 $1") : cell))
    ).join("\t"),
  );
  const serial = (text: string) => Date.parse(`${text.replace(" ", "T")}Z`) / 86_400_000 + 25_569;
  const sheet = rows.map((cells, index) =>
    index === 0
      ? cells
      : cells.map((cell, column) =>
          cell === ""
            ? undefined
            : column === 4
              ? serial(cell)
              : column === 3 || (column >= 5 && column <= 6)
                ? Number(cell)
                : cell,
        ),
  );
  const jsonLines = rows
    .slice(1)
    .map((cells) =>
      JSON.stringify(
        Object.fromEntries(
          cells.map((cell, column) => [rows[0]![column], column === 3 || column === 5 ? Number(cell) : cell || null]),
        ),
      ),
    )
    .join("\n");
  const others: [string, Buffer | string, Record<string, unknown>][] = [
    ["byte order mark", `\ufeff${retail.join("\n")}`, {}],
    ["gzip", gzipSync(retail.join("\n")), {}],
    ["semicolons and decimal commas", semicolons, { decimal: "," }],
    ["sep= line", `sep=;\n${semicolons}`, { decimal: "," }],
    ["tabs and American dates", american.join("\n"), {}],
    ["UTF-16 with a mark", Buffer.from(`\ufeff${retail.join("\n")}`, "utf16le"), {}],
    ["UTF-16 without a mark", Buffer.from(retail.join("\n"), "utf16le"), {}],
    ["UTF-16, big end first, packed", gzipSync(Buffer.from(`\ufeff${retail.join("\n")}`, "utf16le").swap16()), {}],
    ["JSON Lines", jsonLines, {}],
    ["XLSX", workbookOf(sheet), {}],
    [
      "Online Retail II",
      retail.join("\n").replace(header, "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country"),
      {},
    ],
    ["no header", retail.slice(1).join("\n"), { layout: "online_retail", header: false }],
    [
      "quoted throughout, last line without end",
      rows.map((cells) => cells.map((cell) => `"${cell}"`).join(",")).join("\r\n"),
      {},
    ],
    ["old Macintosh line ends", retail.join("\r"), {}],
  ];
  for (const [name, body, options] of others) {
    const other = await eventsOf(body, options);
    assert.equal(other.upload.state, "done", `${name}: ${JSON.stringify(other.upload.problem)}`);
    assert.deepEqual(lineIds(other.events), lineIds(plain.events), `${name}: ${JSON.stringify(other.quarantined)}`);
  }
});

test("windows-1252 is found out, and can be named where one line alone shows it", async () => {
  const body = (texts: readonly string[]) =>
    Buffer.from([header, ...texts.map((text, n) => `1,P${n},${text},1,2010-12-01,1,,UK`)].join("\n"), "latin1");
  const found = await eventsOf(body(["£5 CARD", "CRÈME", "PLAIN"]));
  assert.deepEqual(
    found.events[0]!.lines!.map((line) => line.name),
    ["£5 CARD", "CRÈME", "PLAIN"],
  );
  const one = await eventsOf(body(["£5 CARD", "PLAIN"]));
  assert.deepEqual(one.upload.ledger, {
    received: 2,
    accepted: 1,
    duplicate: 0,
    quarantined: 1,
    reasons: { invalid_encoding: 1 },
  });
  assert.deepEqual([...one.quarantined[0]!.original], [...Buffer.from("1,P0,£5 CARD,1,2010-12-01,1,,UK", "latin1")]);
  const named = await eventsOf(body(["£5 CARD", "PLAIN"]), { encoding: "windows-1252" });
  assert.equal(named.events[0]!.lines![0]!.name, "£5 CARD");
});

test("plain orders: totals, currencies at their dated rates, a mapping of the shop's own header", async () => {
  const rates = { reportingCurrency: "EUR", rates: { GBP: { "2020-01-01": 1.2, "2020-02-01": 1.1 } } };
  const orders = await eventsOf(
    "order_id,customer_id,date,total,currency\nA,ann,2020-01-31,10.00,GBP\nB,bob,2020-02-01,10,gbp\nC,,2020-02-01,5.5,\nD,x,2020-02-01,1,XXQ\nE,x,2020-02-01,1,JPY\n",
    {},
    rates,
  );
  assert.deepEqual(
    orders.events.map((event) => [event.order_id, event.currency, event.total_minor, event.reporting_minor]).sort(),
    [
      ["A", "GBP", 1000, 1200],
      ["B", "GBP", 1000, 1100],
      ["C", "EUR", 550, 550],
    ],
  );
  assert.deepEqual(orders.upload.ledger?.reasons, { unknown_currency: 1, no_exchange_rate: 1 });
  const mapped = await eventsOf("Bestellnr;Kunde;Datum;Summe\n7;k1;31.12.2020;1.234,50\n", {
    mapping: { order_id: "Bestellnr", customer_id: "Kunde", occurred_at: "Datum", total: "Summe" },
    decimal: ",",
    currency: "GBP",
  });
  const [event] = mapped.events;
  assert.deepEqual(
    [event!.order_id, event!.occurred_at, event!.total_minor],
    ["7", "2020-12-31T00:00:00.000Z", 123450],
  );
});

test("an orders file that states an order twice with different values has both rows refused", async () => {
  const { upload, events } = await eventsOf(
    "order_id,date,total\nA,2020-01-01,1\nB,2020-01-01,2\nA,2020-01-01,3\nB,2020-01-01,2\n",
  );
  assert.deepEqual(upload.ledger, {
    received: 4,
    accepted: 1,
    duplicate: 1,
    quarantined: 2,
    reasons: { invalid_field: 2 },
  });
  assert.deepEqual(
    events.map((event) => event.order_id),
    ["B"],
  );
});

test("plain order lines take every column that the stream has", async () => {
  const { events } = await eventsOf(
    "order_id,customer_id,ordered_at,product_id,sku,name,category,brand,variant,quantity,unit_price,currency,country,coupon\n9,c,2020-05-01T10:00:00+02:00,p,s,n,ca,b,v,2,1.005,GBP,DE,SPRING\n",
  );
  const { line_id: _, ...line } = events[0]!.lines![0]!;
  assert.deepEqual(line, {
    product_id: "p",
    sku: "s",
    name: "n",
    category: "ca",
    brand: "b",
    variant: "v",
    quantity: 2,
    unit_price: 1.005,
    total_minor: 201,
  });
  assert.deepEqual(
    [events[0]!.coupon, events[0]!.country, events[0]!.occurred_at],
    ["SPRING", "DE", "2020-05-01T08:00:00.000Z"],
  );
});

test("CDNOW: every transaction is an order, equal ones too; the sample has no header and five columns", async () => {
  const master = await eventsOf(
    " customer_id  date number_of_cds  dollar_value\n 00001 19970101  1   11.77\n 00002 19970112  1   12.00\n 00002 19970112  1   12.00\n",
  );
  assert.equal(master.events.length, 3);
  assert.equal(new Set(master.events.map((event) => event.order_id)).size, 3);
  assert.deepEqual(master.events.map((event) => event.total_minor).sort(), [1177, 1200, 1200]);
  const headerless = await eventsOf(" 00001 19970101  1   11.77\n", { layout: "cdnow", header: false });
  assert.equal(headerless.events[0]!.event_id, master.events.find((event) => event.total_minor === 1177)!.event_id);
  const sample = await eventsOf(" 00004 0001 19970101  2   29.33\n", { layout: "cdnow_sample" });
  assert.deepEqual(
    [sample.events[0]!.total_minor, sample.events[0]!.customer_key, sample.events[0]!.quantity],
    [2933, key("00004"), 2],
  );
});

test("REES46: each row is an event of its kind, a purchase an order of one line", async () => {
  const rows = ["view", "cart", "remove_from_cart", "purchase", "steal"].map(
    (type) =>
      `2019-10-01 00:00:0${type.length % 10} UTC,${type},44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde`,
  );
  const { events, quarantined } = await eventsOf(
    [
      "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session",
      ...rows,
      rows[3],
    ].join("\n"),
    { currency: "GBP" },
  );
  assert.deepEqual(events.map((event) => event.kind).sort(), [
    "order_completed",
    "order_completed",
    "product_added",
    "product_removed",
    "product_viewed",
  ]);
  const [bought, again] = events.filter((event) => event.kind === "order_completed");
  assert.deepEqual(
    [bought!.total_minor, bought!.lines!.length, bought!.lines![0]!.category],
    [3579, 1, "2103807459595387724"],
  );
  assert.notEqual(bought!.order_id, again!.order_id);
  assert.equal(events[0]!.session_id, "72d76fde");
  assert.deepEqual(
    [quarantined[0]!.code, quarantined[0]!.field, quarantined[0]!.rowNumber],
    ["invalid_field", "event_type", 6],
  );
});

test("tweets: by their own id, the author hashed, names in the text masked, the label kept", async () => {
  const { upload, events } = await eventsOf(
    "tweet_id,airline_sentiment,airline_sentiment_confidence,negativereason,negativereason_confidence,airline,airline_sentiment_gold,name,negativereason_gold,retweet_count,text,tweet_coord,tweet_created,tweet_location,user_timezone\n" +
      '570306133677760513,neutral,1.0,,,Virgin America,,cairdin,,0,"@VirginAmerica What @dhepburn said,\nand more.",,2015-02-24 11:35:52 -0800,,x\n'.repeat(
        2,
      ),
  );
  assert.deepEqual(upload.ledger, { received: 2, accepted: 1, duplicate: 1, quarantined: 0, reasons: {} });
  const [post] = events;
  assert.deepEqual(
    [post!.kind, post!.post_id, post!.sentiment, post!.brand, post!.occurred_at],
    ["social_mentioned", "570306133677760513", "neutral", "Virgin America", "2015-02-24T19:35:52.000Z"],
  );
  const text = JSON.stringify(events);
  for (const name of ["cairdin", "dhepburn", "VirginAmerica"]) assert.ok(!text.includes(name), name);
});

test("ids of 18 digits in JSON Lines keep every digit", async () => {
  const { events } = await eventsOf(
    '{"order_id":123456789012345678,"date":"2020-01-01","total":1}\n{"order_id":123456789012345679,"date":"2020-01-01","total":1.10,"customer_id":"c"}\n',
  );
  assert.deepEqual(events.map((event) => event.order_id).sort(), ["123456789012345678", "123456789012345679"]);
});
