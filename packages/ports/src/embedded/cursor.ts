/** A cursor is opaque to clients: base64url of a JSON array of the last row's key. */
import { InvalidCursor } from "../ports.ts";

export const encodeCursor = (key: readonly (string | number)[]): string =>
  Buffer.from(JSON.stringify(key)).toString("base64url");

/** @throws InvalidCursor for anything that was not handed out for a key of these types */
export const decodeCursor = (
  cursor: string | undefined,
  types: readonly ("string" | "number")[],
): (string | number)[] | undefined => {
  if (cursor === undefined) return undefined;
  let key: unknown;
  try {
    key = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
  } catch (error) {
    throw new InvalidCursor("the cursor was not handed out here", { cause: error });
  }
  if (!Array.isArray(key) || key.length !== types.length || !key.every((part, index) => typeof part === types[index]))
    throw new InvalidCursor("the cursor was not handed out here");
  return key as (string | number)[];
};
