/** Segment's calls other than the known track events: who a visitor is, what was looked at, and events of one's own. */
import { z } from "zod";
import { common } from "./call.ts";
import { freeId, text } from "./values.ts";

const open = z.union([z.record(z.string(), z.unknown()), z.null()], { error: "must be an object" }).optional();

export const Identify = z
  .object({
    type: z.literal("identify"),
    ...common,
    traits: open.meta({
      personal: true,
      description:
        "Kept in the customer's profile; only allow-listed names go on the stream. `email` and `social` (`platform`, `handle`) link: as pseudonyms they say who the visitor is",
    }),
  })
  .meta({ description: "Says who a visitor is: links `anonymousId` to `userId` and updates the customer's profile." });

const viewed = (type: "page" | "screen", description: string) =>
  z.object({ type: z.literal(type), ...common, name: text, category: text, properties: open }).meta({ description });

export const Page = viewed("page", "A page was looked at. Paths are kept without their query strings.");
export const Screen = viewed("screen", "A screen of an app was looked at.");

export const Group = z
  .object({ type: z.literal("group"), ...common, groupId: freeId, traits: open.meta({ personal: true }) })
  .meta({ description: "Puts a customer into a group, such as a company. Its traits are not kept." });

export const Alias = z
  .object({
    type: z.literal("alias"),
    ...common,
    previousId: freeId.meta({ personal: true, description: "The id that `userId` replaces; leaves as a pseudonym" }),
  })
  .meta({ description: "Says that an earlier id and `userId` are the same visitor." });

export const Track = z
  .object({
    type: z.literal("track"),
    ...common,
    event: z.union([z.string().min(1), z.number()], { error: "must be the name of the event" }),
    properties: open.meta({ description: "Only allow-listed names with plain values are kept" }),
  })
  .meta({ description: "An event of the producer's own." });
