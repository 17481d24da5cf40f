/** What every call carries beside its own fields (Segment Spec: Common Fields), and which part of `context` is kept. */
import { z } from "zod";
import { anything, freeId, instant, text } from "./values.ts";

const personal = { personal: true } as const;

const Page = z.object({
  path: text.meta({ description: "Kept without its query string" }),
  url: text.meta({ description: "Read for its path where `path` is absent" }),
  referrer: text.meta({ description: "Only the host is kept" }),
});

export const Campaign = z.object({ name: text, source: text, medium: text, term: text, content: text, id: text });

/** The allow-list of `context`. What is not named here is left out and counted. */
export const Context = z
  .object({
    page: Page.nullish(),
    campaign: Campaign.nullish(),
    locale: text,
    location: z.object({ country: text }).nullish().meta({ description: "Only the country is kept" }),
    device: z.object({ type: text }).nullish().meta({ description: "Only the type is kept" }),
    userAgent: text.meta({
      ...personal,
      description: "Read for the kind of device and for machines that say so, not kept",
    }),
    userAgentData: z.object({ mobile: z.boolean().nullish() }).nullish(),
    sessionId: text,
    session: z.object({ id: text }).nullish(),
    ip: anything.meta({ ...personal, description: "Not kept" }),
    traits: anything.meta({ ...personal, description: "Not kept; of `identify`, see there" }),
  })
  .meta({ id: "Context", description: "What is not named here is left out and counted" });
/** Fields that any call may carry. */
export const common = {
  messageId: freeId.meta({
    description: "The producer's id of the event: the unit of de-duplication. Without one an event sent twice is two",
  }),
  userId: freeId.meta({ ...personal, description: "The producer's id of the customer; leaves as a pseudonym" }),
  anonymousId: freeId.meta({ ...personal, description: "Id of an unknown visitor; leaves as a pseudonym" }),
  timestamp: instant,
  originalTimestamp: instant,
  sentAt: anything.meta({ description: "When the producer's clock sent it; shows by how much that clock is wrong" }),
  // Nothing in `context` is worth refusing an order for: what has another form than described is left out.
  context: z.union([Context, z.unknown()]).optional(),
} as const;

/** Keys of a call that are protocol, not data: they are not counted as left out. */
export const protocolKeys: ReadonlySet<string> = new Set([
  ...Object.keys(common),
  ...["type", "event", "name", "category", "properties", "traits", "groupId", "previousId", "writeKey", "integrations"],
  ...["_metadata", "channel", "receivedAt", "version", "rudderId", "projectId", "plan"],
]);
