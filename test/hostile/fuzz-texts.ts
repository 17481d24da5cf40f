/** What producers, browsers and attackers put where a text, a number or a document is expected. */
import fc from "fast-check";

/** Texts that have broken a program somewhere: numbers beyond all types, names of an object's own, paths, formulas, dates. */
const KNOWN_TROUBLE = [
  ...["", " ", "0", "-1", "-0", "1e309", "9".repeat(400), "99999999999999999999", "0x10", "NaN", "Infinity", "1_000"],
  ...["null", "undefined", "true", "[]", "{}", '{"$gt":""}', "__proto__", "constructor", "prototype", "toString"],
  ...["../../../../etc/passwd", "..\\..\\secrets.json", "/etc/passwd", "file:///etc/passwd", "C:\\x", ".", "..", "a/b"],
  ...[
    "\u0000",
    "a\u0000b",
    "\ud800",
    "\udfff\ud800",
    "\u202e",
    "\ufeff",
    "\u2028",
    "😀",
    "ı",
    "ﬀ",
    "e\u0301",
    "\x1b[2J",
  ],
  ...["'; DROP TABLE customers; --", "' OR 1=1 --", "%' OR '%'='", "=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1"],
  ...[
    "<script>alert(1)</script>",
    "${7*7}",
    "{{7*7}}",
    "%s%n",
    "%00",
    "%2e%2e",
    "\r\nX-Injected: 1",
    "a,b;c\td|e",
    '"',
  ],
  ...["2026-02-30", "2026-01-01", "+275760-09-13", "9999-12-31", "0000-00-00", "1969-12-31", "2026-01-01T24:00:00Z"],
  ...["a".repeat(2_000), "é".repeat(300), "cus_".padEnd(36, "0"), "cus_".padEnd(36, "z"), "era_".padEnd(36, "0")],
  ...["EUR", "XXX", "en", "gzip", "bytes=0-", "Champions", "Sales%", "u-1", "o-1", "p-1", "upl_1", "rcp_1", "run_1"],
] as const;

export const oddText = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...KNOWN_TROUBLE) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 30 }) },
  { weight: 1, arbitrary: fc.string({ maxLength: 30 }) },
  { weight: 1, arbitrary: fc.oneof(fc.integer(), fc.double()).map(String) },
  {
    weight: 1,
    arbitrary: fc
      .date({ min: new Date("1900-01-01"), max: new Date("2100-01-01"), noInvalidDate: true })
      .map((date) => date.toISOString().slice(0, 10)),
  },
);

const FIELDS = [
  ...["type", "event", "messageId", "userId", "anonymousId", "timestamp", "originalTimestamp", "sentAt", "context"],
  ...["properties", "traits", "products", "order_id", "revenue", "total", "price", "quantity", "currency", "page"],
  ...["campaign", "platform", "post_id", "text", "rating", "batch", "writeKey", "content", "size", "customer_ids"],
  ...["layout", "mapping", "filename", "source", "__proto__", "constructor", "toString", "length", ""],
] as const;

const CALLS = ["track", "identify", "page", "screen", "group", "alias", "Order Completed", "Order Refunded"] as const;

/** Anything that JSON can hold, more often under the names that are read. */
export const anyJson: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: "small" },
    fc.constantFrom<unknown>(...CALLS, "Product Viewed", "Social Mentioned", "upload_url"),
    fc.constantFrom<unknown>(null, true, false, 0, -0, 1e308, -1, 0.1, 2 ** 53, Number.MAX_SAFE_INTEGER, 1e-320),
    oddText,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...FIELDS), tie("value"), { maxKeys: 8, noNullPrototype: true }),
  ),
})).value;

/** Nearly an event: what is wrong with it lies deeper than its type. */
export const nearlyEvent = fc.record(
  {
    type: fc.constantFrom<unknown>("track", "identify", "page", "screen", "group", "alias"),
    event: fc.constantFrom("Order Completed", "Order Refunded", "Cart Viewed", "Social Mentioned", "Mine", "__proto__"),
    messageId: oddText,
    userId: fc.oneof(oddText, anyJson),
    anonymousId: fc.oneof(oddText, anyJson),
    timestamp: fc.oneof(oddText, anyJson),
    context: anyJson,
    traits: anyJson,
    properties: fc.oneof(
      fc.record(
        {
          order_id: fc.oneof(oddText, anyJson),
          refund_id: oddText,
          revenue: fc.oneof(oddText, anyJson),
          currency: fc.oneof(fc.constantFrom("EUR", "eur", "XBT"), anyJson),
          products: fc.oneof(fc.array(anyJson, { maxLength: 4 }), anyJson),
          platform: oddText,
          post_id: oddText,
        },
        { requiredKeys: [] },
      ),
      anyJson,
    ),
  },
  { requiredKeys: ["type"] },
);

/** JSON as text. An own `__proto__` stays one; what JSON has no word for is null. */
export const jsonOf = (value: unknown): string => JSON.stringify(value) ?? "null";

/** Good bytes of which a few were changed, doubled, cut out or cut off. */
export const mutated = (good: fc.Arbitrary<Buffer>, words: readonly string[] = []): fc.Arbitrary<Buffer> => {
  const change = fc.record({
    at: fc.nat(1_000_000),
    what: fc.constantFrom("byte", "cut", "double", "end", "word"),
    byte: fc.oneof(fc.constantFrom(0, 9, 10, 13, 34, 44, 92, 128, 255), fc.nat(255)),
    length: fc.integer({ min: 1, max: 40 }),
    word: fc.oneof(fc.constantFrom("__proto__", ...words), oddText),
  });
  return fc.tuple(good, fc.array(change, { minLength: 1, maxLength: 5 })).map(([bytes, changes]) => {
    let result = Buffer.from(bytes);
    for (const { at: anywhere, what, byte, length, word } of changes) {
      if (result.length === 0) break;
      const at = anywhere % result.length;
      const [before, after] = [result.subarray(0, at), result.subarray(at)];
      if (what === "byte") result[at] = byte;
      else if (what === "cut") result = Buffer.concat([before, after.subarray(length)]);
      else if (what === "double") result = Buffer.concat([before, after.subarray(0, length), after]);
      else if (what === "end") result = Buffer.from(before);
      else result = Buffer.concat([before, Buffer.from(word), after]);
    }
    return result;
  });
};
