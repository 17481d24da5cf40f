/**
 * What platforms post to a hook, as events of our own (`Social Mentioned`, `Social Engaged`). Each layout names the
 * list it came from, so that a refused post can be shown with its original bytes.
 */
import { objectOf } from "./canonical-context.ts";

export interface SocialPost {
  /** The event as a producer of ours would send it; anything else where the post is not even an object. */
  readonly wire: unknown;
  /** Member of the document that holds the list, and the ordinal in it; absent where the document is the post. */
  readonly list?: string;
  readonly index: number;
}

export interface SocialPosts {
  readonly posts: readonly SocialPost[];
  /** Members of the document that hold nothing of use here, such as direct messages: told in the answer. */
  readonly ignored: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;
type Layout = (body: unknown) => SocialPosts;

/** The platforms whose hooks are understood. */
export const socialLayouts: Readonly<Record<string, Layout>> = {
  /**
   * X (Twitter). Account Activity API: v1.1 statuses in `tweet_create_events`, likes in `favorite_events`
   * (docs.x.com, Account Activity API, "Account Activity data objects"). API v2: `data` with `includes`
   * (docs.x.com, "Data dictionary", Tweet). Also bare v1.1 statuses, alone or in a list.
   */
  twitter: (body) => {
    const document = objectOf(body);
    if (Array.isArray(body)) return listed(body, undefined, statusEvent);
    if (document === undefined) return { posts: [{ wire: body, index: 0 }], ignored: [] };
    if (document["data"] !== undefined) return fromV2(document);
    if (document["id_str"] !== undefined || document["id"] !== undefined)
      return { posts: [{ wire: statusEvent(document), index: 0 }], ignored: [] };
    const created = listed(document["tweet_create_events"], "tweet_create_events", statusEvent);
    const liked = listed(document["favorite_events"], "favorite_events", favoriteEvent);
    const known = ["tweet_create_events", "favorite_events", "for_user_id", "users", "user_has_blocked"];
    return {
      posts: [...created.posts, ...liked.posts],
      ignored: Object.keys(document).filter((name) => !known.includes(name)),
    };
  },
  /** Any other platform, by a relay of one's own: `{posts: [{id, text, author, created_at, …}]}`, a list or one post. */
  generic: (body) => {
    const document = objectOf(body);
    if (Array.isArray(body)) return listed(body, undefined, genericEvent);
    if (document === undefined || document["posts"] === undefined)
      return { posts: [{ wire: document === undefined ? body : genericEvent(document), index: 0 }], ignored: [] };
    return {
      ...listed(document["posts"], "posts", genericEvent),
      ignored: Object.keys(document).filter((name) => name !== "posts"),
    };
  },
};

const listed = (value: unknown, list: string | undefined, map: (post: Fields) => unknown): SocialPosts => ({
  posts: (Array.isArray(value) ? (value as unknown[]) : []).map((item, index) => {
    const post = objectOf(item);
    return { wire: post === undefined ? item : map(post), ...(list === undefined ? {} : { list }), index };
  }),
  ignored: [],
});

const event = (name: string, id: unknown, timestamp: unknown, properties: Fields): unknown => ({
  type: "track",
  event: name,
  messageId: id,
  timestamp,
  properties,
});

const statusEvent = (status: Fields): unknown => {
  const id = status["id_str"] ?? status["id"];
  const user = objectOf(status["user"]);
  const author = user?.["id_str"] ?? user?.["id"] ?? user?.["screen_name"];
  const at = status["timestamp_ms"] === undefined ? instantOf(status["created_at"]) : Number(status["timestamp_ms"]);
  const extended = objectOf(status["extended_tweet"]);
  const shared = objectOf(status["retweeted_status"]);
  const properties = {
    platform: "twitter",
    post_id: id,
    author,
    text: extended?.["full_text"] ?? status["full_text"] ?? status["text"],
    language: status["lang"],
    sentiment: status["sentiment"],
    likes: status["favorite_count"],
    shares: status["retweet_count"],
    replies: status["reply_count"],
  };
  if (shared === undefined) return event("Social Mentioned", id, at, properties);
  const of = shared["id_str"] ?? shared["id"];
  return event("Social Engaged", id, at, { platform: "twitter", post_id: of, author, engagement: "share" });
};

const favoriteEvent = (favorite: Fields): unknown => {
  const status = objectOf(favorite["favorited_status"]);
  const user = objectOf(favorite["user"]);
  const at =
    favorite["timestamp_ms"] === undefined ? instantOf(favorite["created_at"]) : Number(favorite["timestamp_ms"]);
  return event("Social Engaged", favorite["id"], at, {
    platform: "twitter",
    post_id: status?.["id_str"] ?? status?.["id"],
    author: user?.["id_str"] ?? user?.["id"] ?? user?.["screen_name"],
    engagement: "like",
  });
};

const fromV2 = (document: Fields): SocialPosts => {
  const ignored = Object.keys(document).filter(
    (name) => !["data", "includes", "meta", "matching_rules"].includes(name),
  );
  const data = document["data"];
  if (Array.isArray(data)) return { ...listed(data, "data", tweetEvent), ignored };
  const tweet = objectOf(data);
  return { posts: [{ wire: tweet === undefined ? data : tweetEvent(tweet), index: 0 }], ignored };
};

const tweetEvent = (tweet: Fields): unknown => {
  const metrics = objectOf(tweet["public_metrics"]);
  const references = Array.isArray(tweet["referenced_tweets"]) ? (tweet["referenced_tweets"] as unknown[]) : [];
  const shared = references.map(objectOf).find((reference) => reference?.["type"] === "retweeted");
  const base = { platform: "twitter", author: tweet["author_id"] };
  if (shared !== undefined)
    return event("Social Engaged", tweet["id"], tweet["created_at"], {
      ...base,
      post_id: shared["id"],
      engagement: "share",
    });
  return event("Social Mentioned", tweet["id"], tweet["created_at"], {
    ...base,
    post_id: tweet["id"],
    text: objectOf(tweet["note_tweet"])?.["text"] ?? tweet["text"],
    language: tweet["lang"],
    likes: metrics?.["like_count"],
    shares: metrics?.["retweet_count"],
    replies: metrics?.["reply_count"],
  });
};

const genericEvent = (post: Fields): unknown => {
  const { id, kind, created_at: at, ...properties } = post;
  const engaged = kind === "engagement" || properties["engagement"] !== undefined;
  return event(engaged ? "Social Engaged" : "Social Mentioned", id, at, {
    platform: "generic",
    post_id: id,
    ...properties,
  });
};

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const STATUS_TIME = /^[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d\d) (\d\d:\d\d:\d\d) ([+-]\d{4}) (\d{4})$/;

/** `Wed Oct 10 20:19:24 +0000 2018` as RFC 3339; anything else as it is, for the front door to judge. */
const instantOf = (value: unknown): unknown => {
  const parts = typeof value === "string" ? STATUS_TIME.exec(value) : null;
  if (parts === null) return value;
  const month = String(MONTHS.indexOf(parts[1]!) + 1).padStart(2, "0");
  return `${parts[5]}-${month}-${parts[2]}T${parts[3]}${parts[4]}`;
};
