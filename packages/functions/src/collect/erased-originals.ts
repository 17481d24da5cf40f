/** Refused rows and events of erased people: what is kept of a refused one must not be theirs. */
import type { Pseudonymizer } from "@ebb/core/ids";
import type { SuppressionList } from "@ebb/ports";

/** What stands between the values of a row or an event, in any of the forms that are taken in. */
const BETWEEN_VALUES = /["',;\t|{}[\]\r\n\0]+/;
/** Values of one original that are looked at. */
const MOST_VALUES = 5_000;

/**
 * Whether a value in the bytes is the id of an erased customer or visitor. It could not be read, so that nobody knows
 * which of its values names the person: each is tried.
 */
export const mentionsErased = (original: Uint8Array, erased: SuppressionList, pseudonyms: Pseudonymizer): boolean => {
  if (erased.size === 0) return false;
  const text = Buffer.from(original.buffer, original.byteOffset, original.byteLength).toString("utf8");
  // UTF-16 has zeros between its letters.
  const values = (text.includes("\0") ? text.replaceAll("\0", "") : text).split(BETWEEN_VALUES, MOST_VALUES);
  return values.some((each) => {
    const value = each.replace(/^[\s:]+|[\s:]+$/g, "");
    return value !== "" && (erased.has(pseudonyms.customer(value)) || erased.has(pseudonyms.anonymous(value)));
  });
};
