/** The event that takes a key away from a customer: a merge that was wrong is never undone in silence. */
import { z } from "zod";
import { common } from "./call.ts";
import { optionalId, requiredId, text } from "./values.ts";

const personal = { personal: true } as const;

export const IdentityUnlinked = z
  .object({
    type: z.literal("track"),
    event: z.literal("Identity Unlinked"),
    ...common,
    userId: requiredId.meta({ ...personal, description: "The customer whom the key does not belong to" }),
    properties: z.object({
      anonymous_id: optionalId.meta({ ...personal, description: "An anonymous id; leaves as a pseudonym" }),
      email: text.meta({ ...personal, description: "An e-mail address; leaves as a pseudonym" }),
      platform: optionalId.meta({ description: "With `handle`" }),
      handle: optionalId.meta({ ...personal, description: "A handle on the platform; leaves as a pseudonym" }),
    }),
  })
  .meta({
    description:
      "One key (`anonymous_id`, `email`, or `platform` with `handle`) is not the customer's: what linked them until now counts no more.",
  });
