import assert from "node:assert/strict";
import { test } from "node:test";
import { recognise } from "./header.ts";

const nameOf = (header: string): string | undefined => recognise(header.split(","), undefined).layout?.name;

test("each layout is recognised by its header, whatever the case and the signs between words", () => {
  const headers: [string, string][] = [
    ["InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country", "online_retail"],
    ["Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country", "online_retail_ii"],
    ["customer_id,date,number_of_cds,dollar_value", "cdnow"],
    ["event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session", "rees46"],
    ["order_id,customer_id,ordered_at,total", "orders"],
    ["ORDER ID,Customer-Id,Date,Total,Currency", "orders"],
    ["order_id,customer_id,ordered_at,sku,quantity,unit_price", "order_lines"],
    ["order_id,ordered_at,name,qty,price,total", "order_lines"],
    [
      "tweet_id,airline_sentiment,airline_sentiment_confidence,negativereason,negativereason_confidence,airline,airline_sentiment_gold,name,negativereason_gold,retweet_count,text,tweet_coord,tweet_created,tweet_location,user_timezone",
      "airline_tweets",
    ],
  ];
  for (const [header, layout] of headers) assert.equal(nameOf(header), layout, header);
});

test("an unknown header is answered with what was found and what was expected", () => {
  const found = recognise(["first_name", "last_name"], undefined);
  assert.ok(found.layout === undefined);
  assert.match(found.message, /first_name, last_name/);
  assert.ok(found.expected.some(({ layout, columns }) => layout === "orders" && columns.includes("total")));
});

test("a named layout that lacks a column says which", () => {
  const found = recognise(["order_id", "total"], "orders");
  assert.ok(found.layout === undefined);
  assert.match(found.message, /lacks ordered_at/);
});

test("a mapping names the columns of a header of its own", () => {
  const header = ["Bestellnr", "Kunde", "Datum", "Summe"];
  const mapping = { order_id: "Bestellnr", customer_id: "Kunde", occurred_at: "Datum", total: "Summe" };
  const found = recognise(header, undefined, mapping);
  assert.equal(found.layout?.name, "orders");
  assert.deepEqual(found.layout && found.columns, { order_id: 0, customer_id: 1, occurred_at: 2, total: 3 });
});
