/** `social_posts`: posts and engagements with whose they are, and what is spam, said twice, or in a language that nobody scores. */
import type { BatchTable } from "../batch-table.ts";
import { trimmed } from "./literals.ts";

/** What is spam (docs/unified.md). Bounds that no customer reaches and no campaign stays below. */
export const spamRules = {
  /** Posts of one author on one platform within a UTC day, more than which are a flood. */
  postsPerDay: 50,
  /** Different authors of one text on a platform, from which on it is copied. Re-posts that say so are none. */
  authorsOfOneText: 5,
  /** Shorter texts are said by many in the same words. */
  lengthOfCopied: 30,
  /** Links in one post. */
  links: 4,
} as const;

const LINK = "https://";

export const socialPosts: BatchTable = {
  name: "social_posts",
  grain: "one row per post about the shop or engagement with it",
  key: ["event_id"],
  columns: {
    event_id: { type: "string", description: "The event" },
    kind: { type: "string", description: "`social_mentioned` or `social_engaged`" },
    source: { type: "string", description: "Source of the event" },
    platform: { type: "string", description: "`twitter`, `instagram`, …" },
    post_id: { type: "string", description: "The platform's id of the post" },
    occurred_at: { type: "timestamp", description: "UTC" },
    customer_key: {
      type: "string",
      description:
        "Whose it is: who was named in it, else the owner of its handle, else of its device (`identity_keys`)",
    },
    author_key: { type: "string", description: "Pseudonym of the handle" },
    language: { type: "string", description: "As the producer or the text says; NULL where neither does" },
    sentiment: {
      type: "string",
      description: "The producer's label; else, of English text, by a word list; else NULL",
    },
    sentiment_covered: {
      type: "boolean",
      description: "Whether there is a sentiment: a text in another language has none",
    },
    engagement: { type: "string", description: "`like`, `share`, `reply`, …" },
    reach: { type: "bigint", description: "Likes + shares + replies at the time of the event" },
    repeat_of: {
      type: "string",
      description:
        "The earliest event with the same post id on the platform, or with the same text by the same author, where that is another one",
    },
    spam_reason: {
      type: "string",
      description: `\`flood\`: more than ${spamRules.postsPerDay} posts of the author that day; \`copied\`: the text by ${spamRules.authorsOfOneText} authors or more; \`links\`: ${spamRules.links} links or more; NULL for what is none`,
    },
    anonymous_key: { type: "string", description: "Pseudonym of the device" },
  },
  reads: ["curated_social", "identity_keys"],
  engine: "spark",
  sql: (m) => `
WITH posts AS (
  SELECT
    p.*,
    lower(${trimmed("p.body")}) AS said,
    (length(p.body) - length(replace(p.body, '${LINK}', ''))) / ${LINK.length} AS links,
    ${m.truncDay("p.occurred_at")} AS day
  FROM curated_social AS p
),
in_turn AS (
  SELECT
    posts.*,
    first_value(event_id) OVER (PARTITION BY platform, post_id, kind ORDER BY occurred_at, event_id) AS first_of_id,
    first_value(event_id) OVER (PARTITION BY platform, author_key, said ORDER BY occurred_at, event_id) AS first_of_text,
    count(*) OVER (PARTITION BY platform, author_key, day) AS of_day
  FROM posts
),
copied AS (
  SELECT platform AS copied_on, said AS copied_text
  FROM posts
  WHERE author_key IS NOT NULL AND length(said) >= ${spamRules.lengthOfCopied} AND said NOT LIKE 'rt @%'
  GROUP BY platform, said
  HAVING count(DISTINCT author_key) >= ${spamRules.authorsOfOneText}
)
SELECT
  p.event_id, p.kind, p.source, p.platform, p.post_id, p.occurred_at,
  coalesce(p.customer_key, a.customer_key, d.customer_key) AS customer_key,
  p.author_key, p.language, p.sentiment, p.sentiment IS NOT NULL AS sentiment_covered, p.engagement, p.reach,
  CASE
    WHEN p.kind = 'social_mentioned' AND p.first_of_id <> p.event_id THEN p.first_of_id
    WHEN p.author_key IS NOT NULL AND p.said <> '' AND p.first_of_text <> p.event_id THEN p.first_of_text
  END AS repeat_of,
  CASE
    WHEN p.author_key IS NOT NULL AND p.of_day > ${spamRules.postsPerDay} THEN 'flood'
    WHEN c.copied_text IS NOT NULL THEN 'copied'
    WHEN p.links >= ${spamRules.links} THEN 'links'
  END AS spam_reason,
  p.anonymous_key
FROM in_turn AS p
LEFT JOIN identity_keys AS a ON a.key = p.author_key
LEFT JOIN identity_keys AS d ON d.key = p.anonymous_key
LEFT JOIN copied AS c ON c.copied_on = p.platform AND c.copied_text = p.said`,
  tests: {
    "one row an event": "SELECT event_id FROM social_posts GROUP BY event_id HAVING count(*) > 1",
    "no post is left out": `
      SELECT s.posts FROM (SELECT count(*) AS posts FROM social_posts) AS s
      CROSS JOIN (SELECT count(*) AS posts FROM curated_social) AS c WHERE s.posts <> c.posts`,
    "what is repeated is there, and earlier": `
      SELECT r.event_id FROM social_posts AS r
      LEFT JOIN social_posts AS f ON f.event_id = r.repeat_of
      WHERE r.repeat_of IS NOT NULL AND (f.event_id IS NULL OR f.occurred_at > r.occurred_at)`,
  },
};
