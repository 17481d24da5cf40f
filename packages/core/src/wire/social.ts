/** Social activity: two event kinds of our own, sent like any track event or made from what a platform's hook posts. */
import { z } from "zod";
import { common } from "./call.ts";
import { count, optionalId, requiredId, text } from "./values.ts";

const post = {
  platform: requiredId.meta({ description: "`twitter`, `instagram`, …" }),
  post_id: requiredId.meta({ description: "The platform's id of the post" }),
  author: optionalId.meta({ personal: true, description: "Id or handle of who wrote it; leaves as a pseudonym" }),
  author_name: text.meta({ personal: true, description: "Not kept" }),
  text: text.meta({ description: "@names, e-mail addresses, telephone numbers and link targets in it are masked" }),
  language: text,
  sentiment: text.meta({
    description:
      "A label that the producer gives; without one English text gets `positive`, `neutral` or `negative` by a word list",
  }),
  likes: count,
  shares: count,
  replies: count,
} as const;

const track = <const Event extends string, const Properties extends z.ZodRawShape>(
  event: Event,
  properties: Properties,
  description: string,
) =>
  z
    .object({ type: z.literal("track"), event: z.literal(event), ...common, properties: z.object(properties) })
    .meta({ description });

export const SocialMentioned = track("Social Mentioned", post, "Someone wrote about the shop or a product.");
export const SocialEngaged = track(
  "Social Engaged",
  {
    ...post,
    engagement: text.meta({ description: "`like`, `share`, `reply`, …" }),
  },
  "Someone liked, shared or answered a post.",
);

/** Names of a post's kept fields, for counting what is left out. */
export const postKeys: ReadonlySet<string> = new Set(
  Object.keys(post)
    .filter((name) => name !== "author_name")
    .concat("engagement"),
);
