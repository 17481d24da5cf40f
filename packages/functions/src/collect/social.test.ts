import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { eventIdOf } from "@ebb/core/ids";
import { send } from "../../../../test/support/http-event.ts";
import { memoryPorts } from "../../../../test/support/memory-ports.ts";
import { make } from "./social.ts";

const post = async (
  ports: ReturnType<typeof memoryPorts>,
  platform: string,
  body: unknown,
  options: { secret?: string; signature?: string; twitter?: boolean } = {},
) => {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const secret = options.secret ?? new Map(Object.entries(ports.settings.hookSecrets)).get(platform) ?? "none";
  const hmac = createHmac("sha256", secret).update(text);
  const headers =
    options.twitter === true
      ? { "x-twitter-webhooks-signature": `sha256=${hmac.digest("base64")}` }
      : { "x-hub-signature-256": options.signature ?? `sha256=${hmac.digest("hex")}` };
  return send(make(ports), `/v1/social/${platform}`, text, { anonymous: true, pathParameters: { platform }, headers });
};

/** A status as the Account Activity API sends it (v1.1), shortened to fields that have a meaning here. */
const status = (id: string, more: object = {}) => ({
  created_at: "Tue Feb 24 11:35:52 +0000 2015",
  id: Number(id),
  id_str: id,
  text: "@VirginAmerica What @dhepburn said. https://t.co/abc",
  truncated: false,
  user: { id: 12, id_str: "12", name: "Cairdin", screen_name: "cairdin", location: "Berlin" },
  lang: "en",
  favorite_count: 2,
  retweet_count: 1,
  reply_count: 4,
  ...more,
});

test("a tweet of the Account Activity API becomes a mention under its own id, without its people", async () => {
  const ports = memoryPorts();
  const body = { for_user_id: "9", tweet_create_events: [status("570306133677760513")] };
  const answer = await post(ports, "twitter", body, { twitter: true });
  assert.deepEqual([answer.status, answer.body["appended"]], [200, 1]);
  const [event] = ports.events;
  assert.equal(event!.event_id, eventIdOf("twitter", "570306133677760513"));
  assert.deepEqual(
    [event!.kind, event!.platform, event!.post_id, event!.occurred_at, event!.language, event!.reach, event!.body],
    [
      "social_mentioned",
      "twitter",
      "570306133677760513",
      "2015-02-24T11:35:52.000Z",
      "en",
      7,
      "@… What @… said. https://t.co/…",
    ],
  );
  assert.equal(event!.author_key, ports.pseudonyms.handle("aut", "twitter:12"));
  assert.doesNotMatch(ports.texts[0]!, /cairdin|dhepburn|Berlin/i);
});

test("shares and likes are engagement with the post they are about; other parts of the document are named", async () => {
  const ports = memoryPorts();
  const answer = await post(ports, "twitter", {
    tweet_create_events: [status("2", { retweeted_status: status("1") })],
    favorite_events: [{ id: "f-1", timestamp_ms: 1424777752000, favorited_status: status("1"), user: { id_str: "7" } }],
    direct_message_events: [{ text: "private" }],
  });
  assert.deepEqual(
    ports.events.map((event) => [event.kind, event.engagement, event.post_id]),
    [
      ["social_engaged", "share", "1"],
      ["social_engaged", "like", "1"],
    ],
  );
  assert.deepEqual(answer.body["ignored"], ["direct_message_events"]);
  assert.doesNotMatch(ports.texts.join(), /private/);
});

test("a tweet of the API v2 is read, alone or in a list", async () => {
  const ports = memoryPorts();
  const tweet = {
    id: "99",
    text: "hi @shop",
    author_id: "12",
    created_at: "2024-05-06T07:08:09.000Z",
    lang: "de",
    public_metrics: { like_count: 1, retweet_count: 2, reply_count: 3 },
  };
  await post(ports, "twitter", { data: tweet, includes: { users: [{ id: "12", username: "ann" }] } });
  await post(ports, "twitter", {
    data: [{ ...tweet, id: "100", referenced_tweets: [{ type: "retweeted", id: "99" }] }],
  });
  assert.deepEqual(
    ports.events.map((event) => [event.kind, event.post_id, event.reach, event.occurred_at]),
    [
      ["social_mentioned", "99", 6, "2024-05-06T07:08:09.000Z"],
      ["social_engaged", "99", undefined, "2024-05-06T07:08:09.000Z"],
    ],
  );
});

test("any other platform's posts come in the generic layout; a bad one is quarantined with its own bytes", async () => {
  const ports = memoryPorts();
  const good = {
    id: "g-1",
    platform: "mastodon",
    author: "@ann@social.example",
    text: "nice",
    sentiment: "positive",
    created_at: "2024-01-01T00:00:00Z",
  };
  const answer = await post(
    ports,
    "generic",
    `{"posts":[${JSON.stringify(good)},{"id": "g-2", "likes":"many"},{"id":"g-1", "kind":"engagement","engagement":"boost"}]}`,
  );
  assert.deepEqual([answer.body["received"], answer.body["appended"], answer.body["quarantined"]], [3, 2, 1]);
  assert.deepEqual([ports.events[0]!.platform, ports.events[0]!.sentiment], ["mastodon", "positive"]);
  assert.equal(Buffer.from(ports.quarantined[0]!.original).toString(), '{"id": "g-2", "likes":"many"}');
  assert.deepEqual([ports.quarantined[0]!.code, ports.quarantined[0]!.field], ["invalid_field", "properties.likes"]);
});

test("a post without a label gets that of the word list, where its text is English", async () => {
  const ports = memoryPorts();
  const texts = [
    { text: "@shop not a good day, the parcel is lost and I am angry" },
    { text: "I love this tea, wonderful!" },
    { text: "The parcel has arrived in the afternoon" },
    { text: "Nie wieder bei diesem Laden, alles kaputt und der Kundendienst antwortet nicht" },
    { text: "I love this tea", language: "fr" },
    { text: "@shop @somebody https://t.co/abc" },
    { text: "I love this tea", sentiment: "sarcastic" },
    { likes: 4 },
  ];
  const posts = texts.map((one, index) => ({ id: `s-${index}`, created_at: "2024-01-01T00:00:00Z", ...one }));
  const { body } = await post(ports, "generic", { posts });
  assert.equal(body["appended"], texts.length);
  assert.deepEqual(
    ports.events.map(({ sentiment }) => sentiment),
    ["negative", "positive", "neutral", undefined, undefined, undefined, "sarcastic", undefined],
  );
  assert.deepEqual(
    ports.events.map(({ language }) => language),
    ["en", "en", "en", "de", "fr", undefined, undefined, undefined],
  );
});

test("a post that comes twice has one id", async () => {
  const ports = memoryPorts();
  await post(ports, "twitter", [status("5"), status("5")]);
  await post(ports, "twitter", status("5"));
  assert.equal(ports.texts.length, 3);
  assert.equal(ports.events.length, 1);
});

test("a delivery that comes again, even without ids and much later, is the same receipt and the same events", async () => {
  const ports = memoryPorts({ nowMs: 1_000_000 });
  const body = {
    posts: [
      { author: "x", text: "good tea" },
      { author: "x", text: "good tea" },
      { text: 5, id: 7 },
    ],
  };
  const first = await post(ports, "generic", body);
  ports.at(9e12);
  const again = await post(ports, "generic", body);
  assert.equal(first.status, 200);
  assert.equal(again.body["receipt_id"], first.body["receipt_id"]);
  const ids = ports.texts.map((text) => (JSON.parse(text) as { event_id: string }).event_id);
  assert.equal(ids.length, 2 * new Set(ids).size, "two posts that are alike stay two, and come back under their ids");
  const other = await post(ports, "generic", { posts: [{ author: "x", text: "good tea!" }] });
  assert.notEqual(other.body["receipt_id"], first.body["receipt_id"]);
});

test("a signature with a time is good for five minutes either way, for its own time and body alone", async () => {
  const NOW_MS = 1_800_000_000_000;
  const body = JSON.stringify({ posts: [{ id: "1", author: "x", text: "good tea" }] });
  const sent = async (seconds: number, options: { signed?: string; header?: string } = {}) => {
    const ports = memoryPorts({ nowMs: NOW_MS });
    const hex = createHmac("sha256", "another secret")
      .update(options.signed ?? `${seconds}.${body}`)
      .digest("hex");
    const { status } = await send(make(ports), "/v1/social/generic", body, {
      anonymous: true,
      pathParameters: { platform: "generic" },
      headers: { "x-ebb-signature": options.header ?? `t=${seconds},v1=${hex}` },
    });
    return status;
  };
  const now = NOW_MS / 1000;
  for (const seconds of [now, now - 300, now + 300]) assert.equal(await sent(seconds), 200);
  for (const seconds of [now - 301, now + 301, 0]) assert.equal(await sent(seconds), 401);
  assert.equal(await sent(now, { signed: `${now - 1}.${body}` }), 401);
  assert.equal(await sent(now, { signed: body }), 401);
  for (const header of ["", "t=1", `v1=${"0".repeat(64)}`, `t=${now},v1=${"0".repeat(64)}`])
    assert.equal(await sent(now, { header }), 401);
});

test("without the right signature over the very bytes nothing is read", async () => {
  const ports = memoryPorts();
  const body = JSON.stringify(status("6"));
  const right = createHmac("sha256", "hook secret").update(body).digest("hex");
  for (const signature of [
    "",
    "sha256=",
    `sha1=${right}`,
    right,
    `sha256=${right.slice(2)}`,
    `sha256=${"0".repeat(64)}`,
    `sha256=zz${right.slice(2)}`,
  ])
    assert.equal((await post(ports, "twitter", body, { signature })).status, 401, signature);
  assert.equal((await post(ports, "twitter", `${body} `, { signature: `sha256=${right}` })).status, 401);
  assert.equal((await post(ports, "twitter", body, { secret: "another secret" })).status, 401);
  assert.equal(ports.parts.length, 0);
  assert.equal((await post(ports, "twitter", body, { signature: `sha256=${right.toUpperCase()}` })).status, 200);
});

test("a platform without a secret or a layout is not there", async () => {
  for (const platform of ["myspace", "__proto__", "constructor", ""])
    assert.equal((await post(memoryPorts(), platform, "{}")).status, 404, platform);
  const ports = memoryPorts({ settings: { hookSecrets: { myspace: "s" } } });
  assert.equal((await post(ports, "myspace", "{}")).status, 404);
  assert.equal((await post(ports, "twitter", "{}")).status, 404);
});

test("X's challenge is answered, but nothing that could be a body is signed", async () => {
  const ports = memoryPorts();
  const challenge = (token?: string, platform = "twitter") =>
    send(make(ports), `/v1/social/${platform}`, "", {
      method: "GET",
      anonymous: true,
      pathParameters: { platform },
      ...(token === undefined ? {} : { query: { crc_token: token } }),
    });
  const hmac = createHmac("sha256", "hook secret").update("abc-123").digest("base64");
  assert.deepEqual((await challenge("abc-123")).body, { response_token: `sha256=${hmac}` });
  for (const token of [undefined, "", "{}", '{"id":1}', "[1]", "a b"])
    assert.equal((await challenge(token)).status, 400);
  assert.equal((await challenge("abc", "generic")).status, 404);
});

test("what is signed but no JSON is a 400; documents without posts are answered as such", async () => {
  const ports = memoryPorts();
  assert.equal((await post(ports, "twitter", "{")).status, 400);
  const empty = await post(ports, "twitter", { follow_events: [{}] });
  assert.deepEqual([empty.status, empty.body["received"], empty.body["ignored"]], [200, 0, ["follow_events"]]);
  for (const odd of ["3", "null", '"x"', "[1,null]", '{"data":3}', '{"tweet_create_events":{}}', '{"posts":[[]]}'])
    assert.equal((await post(ports, "twitter", odd)).status, 200, odd);
});
