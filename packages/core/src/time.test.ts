import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CLOCK_TOLERANCE_MS, occurredAt, parseInstant } from "./time.ts";

const NOW = Date.UTC(2026, 10, 21, 12);
const HOUR = 3_600_000;
const iso = (ms: number): string => new Date(ms).toISOString();

test("RFC 3339 in its forms, and Unix times in seconds and milliseconds, name the same instant", () => {
  const expected = Date.UTC(2024, 0, 29, 3, 4, 5, 678);
  for (const written of [
    "2024-01-29T03:04:05.678Z",
    "2024-01-29t03:04:05.678z",
    "2024-01-29 03:04:05.678Z",
    "2024-01-29T04:04:05.678+01:00",
    "2024-01-28T22:04:05.678-0500",
    "2024-01-29T03:04:05.678901234Z",
    "2024-01-29T03:04:05.678",
    expected,
    expected / 1000,
  ])
    assert.equal(parseInstant(written), expected, String(written));
  assert.equal(parseInstant("2024-01-29"), Date.UTC(2024, 0, 29));
  assert.equal(parseInstant("2024-02-29T23:59:60Z"), Date.UTC(2024, 2, 1));
});

test("what is no instant is none: days that no calendar has, years out of range, other formats", () => {
  for (const written of [
    ...[
      "2023-02-29T00:00:00.000Z",
      "2024-04-31",
      "2024-13-01",
      "2024-00-10",
      "2024-01-01T24:00:00Z",
      "2024-01-01T10:60Z",
    ],
    ...["1899-12-31T23:59:59.000Z", "01/02/2024", "Tue Jan 02 2024", "tomorrow", "", "20240101", "2024-1-1"],
    ...[Number.NaN, Infinity, 1e300, -1e300, null, undefined, {}, [], true],
  ])
    assert.equal(parseInstant(written), undefined, JSON.stringify(written));
});

test("every instant of the engine's calendar reads back from its ISO text, in any zone", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: Date.UTC(1900, 0, 2), max: Date.UTC(9999, 11, 30) }),
      fc.integer({ min: -14 * 60, max: 14 * 60 }),
      (ms, minutes) => {
        assert.equal(parseInstant(iso(ms)), ms);
        const sign = minutes < 0 ? "-" : "+";
        const [h, m] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
        const zone = `${sign}${String(h).padStart(2, "0")}:${String(m).padStart(2, "0")}`;
        assert.equal(parseInstant(iso(ms + minutes * 60_000).replace("Z", zone)), ms);
      },
    ),
    { seed: 1, numRuns: 500 },
  );
});

test("timestamp goes before originalTimestamp, and both before the receipt", () => {
  assert.equal(occurredAt({ timestamp: iso(NOW - 5), originalTimestamp: iso(NOW - 9) }, undefined, NOW), NOW - 5);
  assert.equal(occurredAt({ timestamp: null, originalTimestamp: iso(NOW - 9) }, undefined, NOW), NOW - 9);
  assert.equal(occurredAt({}, NOW - HOUR, NOW), NOW);
});

test("a producer's wrong clock is corrected by sentAt against the receipt, in both directions", () => {
  for (const wrong of [3 * HOUR, -3 * HOUR, 400 * 24 * HOUR])
    assert.equal(occurredAt({ timestamp: iso(NOW - HOUR + wrong) }, NOW + wrong, NOW), NOW - HOUR);
});

test("a difference that a request's way or a retry explains changes nothing: twice sent is at one time", () => {
  for (const late of [0, 35, 2_000, CLOCK_TOLERANCE_MS])
    assert.equal(occurredAt({ timestamp: iso(NOW - HOUR) }, NOW - late, NOW), NOW - HOUR);
});

test("late is as good as any; more than a day ahead is refused, after the correction", () => {
  assert.equal(occurredAt({ timestamp: "1997-01-01" }, NOW, NOW), Date.UTC(1997, 0, 1));
  assert.equal(occurredAt({ timestamp: iso(NOW + 24 * HOUR) }, undefined, NOW), NOW + 24 * HOUR);
  const ahead = occurredAt({ timestamp: iso(NOW + 24 * HOUR + 1) }, undefined, NOW);
  assert.ok(typeof ahead === "object");
  assert.equal(ahead.code, "future_time");
  assert.equal(ahead.field, "timestamp");
  assert.equal(occurredAt({ timestamp: iso(NOW + 48 * HOUR) }, NOW + 48 * HOUR, NOW), NOW);
});

test("a time that cannot be read is refused rather than replaced", () => {
  const refused = occurredAt({ originalTimestamp: "yesterday" }, undefined, NOW);
  assert.ok(typeof refused === "object");
  assert.deepEqual([refused.code, refused.field], ["invalid_time", "originalTimestamp"]);
});
