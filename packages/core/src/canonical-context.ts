/** What is kept of an event's `context`: an allow-list. Addresses, traits and query strings never pass. */
import { isMachineAgent } from "./bots.ts";
import type { Draft } from "./canonical.ts";
import { maskAddresses } from "./social.ts";
import { textOf } from "./wire/values.ts";

/** A JSON object, or `undefined` for everything else, arrays included. */
export const objectOf = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;

const KEPT = new Set([
  ...["page", "campaign", "locale", "location", "device", "userAgent", "userAgentData", "sessionId", "session"],
]);
const CAMPAIGN = ["name", "source", "medium", "term", "content", "id"] as const;

/** Fills in what the context tells. Returns how many of its fields are left out. */
export const addContext = (draft: Draft, context: Readonly<Record<string, unknown>> | undefined): number => {
  if (context === undefined) return 0;
  let dropped = 0;
  for (const key in context) if (!KEPT.has(key)) dropped++;

  const page = objectOf(context["page"]);
  if (page !== undefined) {
    const path = pagePathOf(page["path"]) ?? pagePathOf(page["url"]);
    if (path !== undefined) draft.page_path = path;
    const referrer = hostOf(page["referrer"]);
    if (referrer !== undefined) draft.referrer_host = referrer;
  }
  const campaign = objectOf(context["campaign"]);
  if (campaign !== undefined) {
    const kept: Record<string, string> = {};
    for (const name of CAMPAIGN) {
      const value = textOf(campaign[name], 160);
      if (value !== undefined) kept[name] = maskAddresses(value);
    }
    if (Object.keys(kept).length > 0) draft.campaign = JSON.stringify(kept);
  }
  const country = textOf(objectOf(context["location"])?.["country"], 64);
  if (country !== undefined) draft.country = country;
  const locale = textOf(context["locale"], 16);
  if (locale !== undefined) draft.language = locale;
  const session = textOf(context["sessionId"] ?? objectOf(context["session"])?.["id"], 128);
  if (session !== undefined) draft.session_id = session;
  const device = deviceOf(context);
  if (device !== undefined) draft.device = device;
  const agent = context["userAgent"];
  if (typeof agent === "string" && isMachineAgent(agent)) draft.bot = "user_agent";
  return dropped;
};

/** The path of a page from a path or an address, without query string and fragment; e-mail addresses in it masked. */
export const pagePathOf = (value: unknown): string | undefined => {
  if (typeof value !== "string" || value === "") return undefined;
  const path = value.replace(/^[a-z][a-z0-9+.-]{0,30}:\/\/[^/?#]*/i, "");
  const end = path.search(/[?#]/);
  return textOf(maskAddresses(decoded((end < 0 ? path : path.slice(0, end)).slice(0, 4096))) || "/", 2048);
};

/** `%40` hides an address from the mask; a path that is no valid encoding stays as it is. */
const decoded = (path: string): string => {
  if (!path.includes("%40")) return path;
  return path.replaceAll("%40", "@");
};

const hostOf = (value: unknown): string | undefined => {
  if (typeof value !== "string" || !URL.canParse(value)) return undefined;
  return textOf(new URL(value).hostname, 256);
};

const deviceOf = (context: Readonly<Record<string, unknown>>): string | undefined => {
  const type = textOf(objectOf(context["device"])?.["type"], 64);
  if (type !== undefined) return type;
  const mobile = objectOf(context["userAgentData"])?.["mobile"];
  if (typeof mobile === "boolean") return mobile ? "mobile" : "desktop";
  const agent = context["userAgent"];
  if (typeof agent !== "string" || !agent.startsWith("Mozilla/")) return undefined;
  if (/iPad|Tablet|Android(?!.{0,200}Mobile)/.test(agent)) return "tablet";
  return /Mobi|iPhone/.test(agent) ? "mobile" : "desktop";
};
