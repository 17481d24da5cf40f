import { InvalidCursor } from "@ebb/ports";
import type { HttpEvent } from "../runtime/http.ts";
import { Problem } from "../runtime/problem.ts";
import { checkNames } from "./marts/parameters.ts";

const MAX_LIMIT = 1_000;

/**
 * `limit` (1 to 1,000, 100 where absent) and `cursor` of a list.
 * @param others names of the list's other parameters
 * @throws Problem `invalid_parameter`
 */
export const pageOf = (
  event: HttpEvent,
  others: readonly string[] = [],
): { limit: number; cursor: string | undefined } => {
  checkNames(event, [...others, "limit", "cursor"]);
  const { limit = "100", cursor } = event.queryStringParameters ?? {};
  if (!/^[1-9]\d{0,3}$/.test(limit) || Number(limit) > MAX_LIMIT)
    throw new Problem("invalid_parameter", `limit is a number from 1 to ${MAX_LIMIT.toLocaleString("en")}.`, {
      parameter: "limit",
    });
  return { limit: Number(limit), cursor };
};

/** A list's page; a cursor that the store does not know is the client's mistake. */
export const pageFrom = async <T>(list: Promise<T>): Promise<T> => {
  try {
    return await list;
  } catch (error) {
    if (error instanceof InvalidCursor)
      throw new Problem("invalid_parameter", "The cursor was not handed out for this list.", { parameter: "cursor" });
    throw error;
  }
};
