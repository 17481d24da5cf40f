import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { convertMinor, currencyDigits, decimalOf, lineMinor, parseDecimal, rateAt, roundTo, toMinor } from "./money.ts";

const settings = { seed: 20261121, numRuns: 2_000 };

/** Rounds numerator / denominator half away from zero, the way it is taught. */
const divided = (numerator: bigint, denominator: bigint): bigint => {
  const negative = numerator < 0n !== denominator < 0n && numerator !== 0n;
  const [n, d] = [numerator < 0n ? -numerator : numerator, denominator < 0n ? -denominator : denominator];
  const whole = n / d;
  const rounded = (n % d) * 2n >= d ? whole + 1n : whole;
  return negative ? -rounded : rounded;
};

/** A decimal as text with its exact value in units of 10^-12. */
const decimalText = fc
  .record({ negative: fc.boolean(), whole: fc.bigInt(0n, 9_999_999n), fraction: fc.stringMatching(/^\d{0,8}$/) })
  .map(({ negative, whole, fraction }) => ({
    text: `${negative ? "-" : ""}${whole}${fraction === "" ? "" : `.${fraction}`}`,
    exact: (negative ? -1n : 1n) * (whole * 10n ** 12n + BigInt(fraction.padEnd(12, "0"))),
  }));

describe("amounts in minor units", () => {
  it("are the exact decimal, rounded half away from zero, from text and from a number alike", () => {
    fc.assert(
      fc.property(decimalText, fc.constantFrom(0, 2, 3), ({ text, exact }, digits) => {
        const expected = Number(divided(exact, 10n ** BigInt(12 - digits)));
        assert.equal(toMinor(text, digits), expected);
        assert.equal(toMinor(Number(text), digits), expected); // 15 digits: the number reads back as it was written
      }),
      settings,
    );
  });

  it("of a line are quantity × unit price without any rounding before the last", () => {
    fc.assert(
      fc.property(
        decimalText,
        fc.integer({ min: -100_000, max: 100_000 }),
        fc.constantFrom(0, 2, 3),
        (price, quantity, digits) => {
          const expected = Number(divided(price.exact * BigInt(quantity), 10n ** BigInt(12 - digits)));
          assert.equal(lineMinor(quantity, Number(price.text), digits), expected);
          assert.equal(lineMinor(String(quantity), price.text, digits), expected);
        },
      ),
      settings,
    );
  });

  it("round halves away from zero where binary fractions would not", () => {
    assert.equal(toMinor(1.005, 2), 101);
    assert.equal(toMinor(-1.005, 2), -101);
    assert.equal(toMinor(8.345, 2), 835);
    assert.equal(lineMinor(3, 0.335, 2), 101);
    assert.equal(lineMinor(1, 0.001, 2), 0); // Online Retail has four prices with tenths of a penny
  });

  it("take the noise of binary arithmetic for what was meant", () => {
    assert.equal(toMinor(0.1 + 0.2, 2), 30);
    assert.equal(toMinor(37 / 3, 2), 1233);
    assert.equal(toMinor(19.990000000000002, 2), 1999);
    assert.equal(toMinor(1e-7, 2), 0);
  });

  it("are never negative zero", () => {
    for (const amount of [-0, -0.001, "-0", "-0.004"]) assert.ok(Object.is(toMinor(amount, 2), 0));
    assert.ok(Object.is(lineMinor(-1, 0, 2), 0));
  });

  it("refuse what is not a plain decimal or leaves the safe integers", () => {
    for (const bad of [
      Number.NaN,
      Infinity,
      1e21,
      9e15,
      "",
      " 1",
      "1e3",
      "0x10",
      "1,5",
      "--1",
      "9999999999999999.99",
      ".",
    ])
      assert.equal(toMinor(bad, 2), undefined, String(bad));
    assert.equal(lineMinor(9_007_199_254_740_991, 2, 2), undefined);
  });

  it("convert exactly at a rate", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1e9, max: 1e9 }),
        fc.integer({ min: 1, max: 10_000_000 }),
        (amount, millionths) => {
          const expected = Number(divided(BigInt(amount) * BigInt(millionths), 1_000_000n));
          const result = convertMinor(amount, millionths / 1e6, 2, 2);
          assert.equal(Math.abs(result ?? Number.NaN), Math.abs(expected));
          assert.equal(convertMinor(amount, 1, 2, 2), amount);
        },
      ),
      settings,
    );
    assert.equal(convertMinor(1000, 0.0067, 0, 2), 670); // ¥1,000 in dollars and cents
    assert.equal(convertMinor(670, 149.25, 2, 0), 1000);
  });
});

describe("decimals", () => {
  it("parse to their exact value", () => {
    fc.assert(
      fc.property(decimalText, ({ text, exact }) => {
        const parsed = parseDecimal(text)!;
        assert.equal(parsed.units * 10n ** BigInt(12 - parsed.scale), exact);
        const fromNumber = decimalOf(Number(text))!;
        assert.equal(fromNumber.units * 10n ** BigInt(12 - fromNumber.scale), exact);
        assert.equal(roundTo(parsed, 12), exact);
      }),
      settings,
    );
  });
});

describe("currencies", () => {
  it("have the decimals of ISO 4217, not those of the cash in circulation", () => {
    const expected = {
      EUR: 2,
      USD: 2,
      GBP: 2,
      HUF: 2,
      IDR: 2,
      COP: 2,
      PKR: 2,
      JPY: 0,
      KRW: 0,
      ISK: 0,
      CLP: 0,
      KWD: 3,
      BHD: 3,
      IQD: 3,
    };
    for (const [code, digits] of Object.entries(expected)) assert.equal(currencyDigits(code), digits, code);
    for (const unknown of ["", "eur", "XXX1", "constructor", "ABC"]) assert.equal(currencyDigits(unknown), undefined);
  });

  it("convert at the latest rate that is not after the order", () => {
    const table = { reportingCurrency: "EUR", rates: { USD: { "2026-01-10": 0.9, "2026-01-01": 0.8 } } };
    const at = (day: string) => rateAt(table, "USD", Date.parse(day));
    assert.equal(at("2025-12-31T23:59:59Z"), undefined);
    assert.equal(at("2026-01-01T00:00:00Z"), 0.8);
    assert.equal(at("2026-01-09T23:59:59Z"), 0.8);
    assert.equal(at("2026-02-01T00:00:00Z"), 0.9);
    assert.equal(rateAt(table, "EUR", 0), 1);
    assert.equal(rateAt(table, "constructor", 0), undefined);
  });
});
