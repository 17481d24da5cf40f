/**
 * The values that producers send, as lenient as their SDKs are: numbers as text ("12.50"), ids as numbers, null for
 * absent. A schema here checks and never changes a value: the mapping to the stream reads what was sent.
 */
import { z } from "zod";

/** The largest amount or quantity: what a decimal(18,6) column holds before the point. */
export const AMOUNT_LIMIT = 1e12;

// The unit separator and its kin would let two different keys read alike.
const ID = /^[^\p{Cc}]{1,256}$/u;
const OPTIONAL_ID = /^[^\p{Cc}]{0,256}$/u;
const COUNT = /^$|^\d{1,12}$/;
const SIGNED = /^$|^[+-]?(?:\d{1,12}(?:\.\d{0,20})?|\.\d{1,20})$/;
const UNSIGNED = /^$|^\+?(?:\d{1,12}(?:\.\d{0,20})?|\.\d{1,20})$/;

const either = (numbers: z.ZodNumber, texts: z.ZodString, error: string) => z.union([numbers, texts], { error });
const numbers = (error: string, min: number, max: number) => z.number({ error }).gte(min, { error }).lt(max, { error });
const texts = (error: string, pattern: RegExp) => z.string({ error }).regex(pattern, { error });

const ID_ERROR = "must be an id: text of at most 256 characters without control characters, or a number";
const AMOUNT_ERROR = "must be a number from 0 to below 10^12, or its text (a point for decimals, no separators)";
const SIGNED_ERROR = "must be a number within ±10^12, or its text (a point for decimals, no separators)";
const COUNT_ERROR = "must be a whole number from 0 to below 10^12";

/** What is said of a number that is one, but too large, too small or below zero. */
export const rangeErrors: ReadonlySet<string> = new Set([AMOUNT_ERROR, SIGNED_ERROR, COUNT_ERROR]);

/** An id that must be there. */
export const requiredId = either(z.number({ error: ID_ERROR }), texts(ID_ERROR, ID), ID_ERROR);

/** An id that may be absent, null or empty. */
export const optionalId = either(z.number({ error: ID_ERROR }), texts(ID_ERROR, OPTIONAL_ID), ID_ERROR).nullish();

const FREE_ID_ERROR = "must be text of at most 1,024 characters, or a number";
/**
 * A producer's own id of a person, an anonymous visitor or a message. Never stored as it is, so its form is free. Not
 * `max(1024)`: that check reads `length` of objects too, and an object's length may throw.
 */
export const freeId = either(
  z.number({ error: FREE_ID_ERROR }),
  texts(FREE_ID_ERROR, /^.{0,1024}$/s),
  FREE_ID_ERROR,
).nullish();

/** Descriptive text. Longer than its column it is cut; a number is taken as its text. */
export const text = z.union([z.string(), z.number(), z.boolean()], { error: "must be text" }).nullish();

/** Money or a quantity that cannot be below zero, in major units. */
export const amount = either(numbers(AMOUNT_ERROR, 0, AMOUNT_LIMIT), texts(AMOUNT_ERROR, UNSIGNED), AMOUNT_ERROR)
  .nullish()
  .meta({ description: "Major units (12.50); a number or its text" });

/** The same with a sign. */
export const signedAmount = either(
  numbers(SIGNED_ERROR, -AMOUNT_LIMIT, AMOUNT_LIMIT),
  texts(SIGNED_ERROR, SIGNED),
  SIGNED_ERROR,
).nullish();

export const count = either(numbers(COUNT_ERROR, 0, AMOUNT_LIMIT), texts(COUNT_ERROR, COUNT), COUNT_ERROR).nullish();

/** RFC 3339 text, or a Unix time in seconds or milliseconds. */
export const instant = z
  .union([z.string(), z.number()], { error: "must be an RFC 3339 time or a Unix time" })
  .nullish()
  .meta({ description: "RFC 3339; a time without an offset is UTC. Or a Unix time in seconds or milliseconds" });

export const currency = z
  .string({ error: "must be an ISO 4217 code such as EUR" })
  .nullish()
  .meta({ description: "ISO 4217; the reporting currency where absent" });

/** A value of any form that is not looked at, except to pass it on where its field says so. */
export const anything = z.unknown().optional();

/**
 * Text of a plain value, at most `max` characters; `undefined` for absent, null and empty, for objects and lists. Never
 * splits a surrogate pair.
 */
export const textOf = (value: unknown, max: number): string | undefined => {
  const whole = typeof value === "number" || typeof value === "boolean" ? String(value) : value;
  if (typeof whole !== "string" || whole === "") return undefined;
  if (whole.length <= max) return whole;
  const last = whole.charCodeAt(max - 1);
  return whole.slice(0, last >= 0xd800 && last <= 0xdbff ? max - 1 : max);
};

/** A number that was sent as a number or as text; `undefined` for absent, null and empty. */
export const numberOf = (value: number | string | null | undefined): number | undefined =>
  value === undefined || value === null || value === "" ? undefined : Number(value);

/** An amount as it was sent, text as text so that it stays exact; `undefined` for absent, null and empty. */
export const amountOf = (value: number | string | null | undefined): number | string | undefined => {
  if (value === undefined || value === null || value === "") return undefined;
  // Over 12 decimals it is a double that someone printed, and is read as one.
  return typeof value === "string" && /\.\d{13}/.test(value) ? Number(value) : value;
};
