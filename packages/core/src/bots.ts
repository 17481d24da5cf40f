/**
 * Who says of itself that it is a machine. The list is that of `isbot` (kept by its authors, a new edition with each
 * release); what a machine that lies does is found later, by its behaviour (`bot_days` of the lake).
 */
import { isbot } from "isbot";

/** Agents remembered; a shop sees a few thousand. About 200 bytes each. */
const MOST_REMEMBERED = 5_000;
/** No browser's name is longer; the time that a pattern takes grows with the text. */
const LONGEST = 1_024;

const remembered = new Map<string, boolean>();

/**
 * Whether the user agent that a visitor's own program told is on the list. Of the agent of a shop's server, which speaks
 * for its visitors, it says nothing: hand in `context.userAgent` alone, never the header of the request.
 */
export const isMachineAgent = (userAgent: string): boolean => {
  if (userAgent === "" || userAgent.length > LONGEST) return false;
  const known = remembered.get(userAgent);
  if (known !== undefined) return known;
  const machine = isbot(userAgent);
  if (remembered.size >= MOST_REMEMBERED) remembered.clear();
  remembered.set(userAgent, machine);
  return machine;
};
