import assert from "node:assert/strict";
import test from "node:test";
import { StreamEvent } from "@ebb/core/stream-event";
import { rowsOf } from "../testing.ts";
import { identityKeys, identityLinks } from "./identity.ts";
import { socialPosts, spamRules } from "./social-posts.ts";
import { brokenPromises, curatedLakeOf, write } from "./testing.ts";

const start = Date.UTC(2025, 3, 1);
let number = 0;
const post = (id: string, minute: number, fields: Partial<StreamEvent>): StreamEvent =>
  StreamEvent.parse({
    ...{ event_id: id, kind: "social_mentioned", name: "Social Mentioned", source: "social", schema_version: 1 },
    ...{ receipt_id: "rcp_1", receipt_number: number++, received_at: "2026-01-01T00:00:00.000Z", platform: "x" },
    occurred_at: new Date(start + minute * 60_000).toISOString(),
    post_id: id,
    ...fields,
  });

test("repeats and spam are marked by reason, and what customers say is not", async () => {
  const advert = "Cheap watches, only today, follow me for more!";
  const events = [
    post("a1", 0, { author_key: "aut_zoe", body: "Thank you for the tea", sentiment: "positive", language: "en" }),
    post("a2", 5, { author_key: "aut_zoe", body: " thank you for the TEA ", sentiment: "positive", language: "en" }),
    post("a3", 6, { author_key: "aut_max", body: "Thank you for the tea", sentiment: "positive", language: "en" }),
    post("b1", 10, { author_key: "aut_max", body: "Schon wieder zu spät", language: "de" }),
    post("b2", 11, { post_id: "b1", author_key: "aut_max", body: "Schon wieder zu spät!", language: "de" }),
    post("l1", 20, { author_key: "aut_link", body: "https://a/… ".repeat(spamRules.links) }),
    post("l2", 21, { author_key: "aut_link", body: "https://a/… ".repeat(spamRules.links - 1) }),
    ...Array.from({ length: spamRules.authorsOfOneText }, (_, n) =>
      post(`c${n}`, 30 + n, { author_key: `aut_copy_${n}`, body: advert }),
    ),
    ...Array.from({ length: spamRules.authorsOfOneText }, (_, n) =>
      post(`r${n}`, 40 + n, { author_key: `aut_again_${n}`, body: `RT @… ${advert}` }),
    ),
    ...Array.from({ length: spamRules.postsPerDay + 1 }, (_, n) =>
      post(`f${n}`, 60 + n, { author_key: "aut_flood", body: `tea number ${n}` }),
    ),
    post("n1", 70, { body: "Thank you for the tea" }),
    post("i1", 80, { kind: "identify", author_key: "aut_zoe", customer_key: "cus_zoe" }),
  ];
  const lake = await curatedLakeOf(events);
  for (const table of [identityLinks, identityKeys, socialPosts]) await write(lake, table, {});
  assert.deepEqual(await brokenPromises(lake, socialPosts), []);
  assert.deepEqual(
    await rowsOf(lake, "SELECT event_id, repeat_of FROM social_posts WHERE repeat_of IS NOT NULL ORDER BY event_id"),
    [
      { event_id: "a2", repeat_of: "a1" },
      { event_id: "b2", repeat_of: "b1" },
    ],
  );
  assert.deepEqual(
    await rowsOf(lake, "SELECT spam_reason, count(*) AS posts FROM social_posts GROUP BY ALL ORDER BY spam_reason"),
    [
      { spam_reason: "copied", posts: spamRules.authorsOfOneText },
      { spam_reason: "flood", posts: spamRules.postsPerDay + 1 },
      { spam_reason: "links", posts: 1 },
      { spam_reason: null, posts: 5 + 1 + spamRules.authorsOfOneText + 1 },
    ],
  );
  assert.deepEqual(
    await rowsOf(
      lake,
      "SELECT language, count(*) AS posts FROM social_posts WHERE NOT sentiment_covered AND language IS NOT NULL GROUP BY ALL",
    ),
    [{ language: "de", posts: 2 }],
  );
  assert.deepEqual(
    await rowsOf(lake, "SELECT event_id FROM social_posts WHERE customer_key = 'cus_zoe' ORDER BY event_id"),
    [{ event_id: "a1" }, { event_id: "a2" }],
  );
});
