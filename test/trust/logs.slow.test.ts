/**
 * What a home writes about its work at its most talkative: a whole journey with people, keys and secrets in every place
 * where a producer, a stranger or an operator can put them, and trouble. Some twenty seconds.
 */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { EmbeddedKeyRing } from "@ebb/ports/embedded/key-ring";
import { newKey } from "@ebb/ports/stored-keys";
import { type HomeProcess, runEbb, spawnHome } from "../support/home-process.ts";

const HOOK_SECRET = "hook-secret-5d2f0f4b8a";
const STRANGER_KEY = "ebw_000000000000_strangersKeyThatIsNoKeyAtAll0000000000000000";
/** Each is found in nothing else: by the search for it a line tells of a person. */
const PERSON = {
  id: "ada-7f3c@shop.example",
  email: "ada.byron-19@mail.example",
  phone: "+44 20 7946 0958",
  name: "Augusta Byronova",
  street: "12 St James's Squareway",
  ip: "203.0.113.77",
  agent: "Mozilla/5.0 (AdaBrowser 18.15)",
  visitor: "anon-9d41e7",
  handle: "ada_loves_tea_1815",
  post: "My parcel from Marylebonia never came",
};
const START = ["--empty", "--no-keys", "--no-schedule", "--log-level", "DEBUG"];

let root: string;
let folder: string;
let home: HomeProcess;
let eraseKey: string;
const written: string[] = [];
before(async () => {
  root = await mkdtemp(path.join(tmpdir(), "ebb-logs-"));
  folder = path.join(root, "home");
  await mkdir(folder);
  const settings = { reportingCurrency: "EUR", hookSecrets: { twitter: HOOK_SECRET } };
  await writeFile(path.join(folder, "settings.json"), JSON.stringify(settings), { mode: 0o600 });
  home = await spawnHome(folder, START);
  const made = newKey({ scopes: ["erase", "export"], source: "shop", label: "" }, Date.now());
  await new EmbeddedKeyRing(folder).write([made.stored]);
  eraseKey = made.key;
});
after(async () => {
  await home.kill();
  await rm(root, { recursive: true, force: true });
});

const send = async (address: string, body: string, headers: Record<string, string> = {}): Promise<number> => {
  const sent = await fetch(home.url + address, {
    method: "POST",
    headers: { "content-type": "application/json", "x-write-key": home.writeKey, ...headers },
    body,
  });
  await sent.arrayBuffer();
  return sent.status;
};
const ask = async (method: string, address: string, key = home.readKey): Promise<number> => {
  const answer = await fetch(home.url + address, { method, headers: { authorization: `Bearer ${key}` } });
  await answer.arrayBuffer();
  return answer.status;
};

const traits = { email: PERSON.email, phone: PERSON.phone, name: PERSON.name, address: { street: PERSON.street } };
const context = { ip: PERSON.ip, userAgent: PERSON.agent, traits };
const order = (id: string, properties: object = {}): object => ({
  ...{ type: "track", event: "Order Completed", messageId: `m-${id}`, userId: PERSON.id, anonymousId: PERSON.visitor },
  context,
  properties: { order_id: id, total: 10, currency: "EUR", email: PERSON.email, ...properties },
});

/** What a producer sends, rightly and wrongly. */
const produce = async (): Promise<void> => {
  const good = [{ type: "identify", userId: PERSON.id, anonymousId: PERSON.visitor, traits, context }, order("1")];
  const bad = [
    order("2", { total: PERSON.email }),
    order("3", { currency: PERSON.name }),
    { userId: PERSON.id, traits },
  ];
  assert.equal(await send("/v1/batch", JSON.stringify({ batch: [...good, ...bad] })), 200);
  assert.equal(await send("/v1/batch", `{"batch":[{"userId":"${PERSON.id}","traits":{"email":"${PERSON.email}"`), 400);
  assert.equal(await send("/v1/track", JSON.stringify(order("4")), { "content-encoding": "gzip" }), 400);
  const post = { id: "1", text: `${PERSON.post} @${PERSON.handle}`, user: { id: "9", screen_name: PERSON.handle } };
  const hook = JSON.stringify({ for_user_id: "1", tweet_create_events: [post] });
  const signature = `sha256=${createHmac("sha256", HOOK_SECRET).update(hook).digest("hex")}`;
  assert.equal(await send("/v1/social/twitter", hook, { "x-hub-signature-256": signature }), 200);
  assert.equal(await send("/v1/social/twitter", hook, { "x-hub-signature-256": HOOK_SECRET }), 401);
  const rows = ["order_id,customer_id,ordered_at,product_id,quantity,unit_price,currency"];
  rows.push(`f-1,${PERSON.id},2026-02-03T04:05:06Z,p,1,1.00,EUR`, `f-2,${PERSON.id},${PERSON.email},p,1,1,EUR`);
  const file = { "content-type": "text/csv", "x-filename": `${PERSON.email}.csv` };
  assert.equal(await send(`/v1/uploads?filename=${encodeURIComponent(PERSON.email)}.csv`, rows.join("\n"), file), 202);
};

/** What a stranger tries. */
const intrude = async (): Promise<void> => {
  const stranger = { "x-write-key": STRANGER_KEY };
  assert.equal(await send("/v1/track", JSON.stringify(order("5")), stranger), 401);
  assert.equal(
    await ask("GET", `/v1/customers/${encodeURIComponent(PERSON.id)}?token=${home.readKey}`, STRANGER_KEY),
    401,
  );
  assert.equal(await ask("GET", `/v1/customers/${encodeURIComponent(PERSON.email)}`), 404);
  assert.equal(await ask("GET", `/v1/ledger?cursor=${encodeURIComponent(PERSON.email)}`), 400);
  assert.equal(await ask("GET", `/${encodeURIComponent(PERSON.name)}/../../secrets.json?key=${home.writeKey}`), 404);
  assert.equal(await ask("POST", "/_ebb/settle", STRANGER_KEY), 401);
};

/** The customer store refuses for longer than a writer waits. */
const trouble = async (): Promise<void> => {
  const other = new DatabaseSync(path.join(folder, "customers.db"));
  try {
    other.exec("BEGIN IMMEDIATE");
    assert.equal(await send("/v1/track", JSON.stringify(order("6"))), 200);
    for (let tries = 0; tries < 400 && !/"level":"ERROR"/.test(home.output()); tries++) await delay(100);
    assert.match(home.output(), /"level":"ERROR"/);
  } finally {
    other.exec("ROLLBACK");
    other.close();
  }
};

const restart = async (): Promise<void> => {
  written.push(home.output());
  await home.kill();
  home = await spawnHome(folder, START);
};

test("nothing that a home writes holds a key, a secret or a personal field", { timeout: 120_000 }, async () => {
  const control = [
    (JSON.parse(await readFile(path.join(folder, "home.json"), "utf8")) as { controlToken: string }).controlToken,
  ];
  await produce();
  await intrude();
  await trouble();
  await home.control("settle");
  await restart();
  control.push(
    (JSON.parse(await readFile(path.join(folder, "home.json"), "utf8")) as { controlToken: string }).controlToken,
  );
  const run = runEbb(["run", "--data", folder]);
  assert.equal(await run.ended, 0, run.output());
  assert.equal(await ask("GET", `/v1/customers/${encodeURIComponent(PERSON.id)}/export`, eraseKey), 200);
  assert.equal(await ask("GET", "/v1/quarantine"), 200);
  assert.equal(await ask("DELETE", `/v1/customers/${encodeURIComponent(PERSON.id)}`, eraseKey), 202);
  for (
    let tries = 0;
    tries < 300 && ((await home.control("status")) as { erasure?: string }).erasure !== undefined;
    tries++
  )
    await delay(100);
  assert.equal(await send("/v1/track", JSON.stringify(order("7"))), 200);
  assert.equal(await home.stop(), 0);
  written.push(home.output());

  const log = written.join("\n");
  const lines = log.split("\n").filter((line) => line.startsWith("{"));
  const levels = lines.map((line) => (JSON.parse(line) as { level: string }).level);
  assert.ok(levels.includes("INFO") && levels.includes("ERROR"), levels.join(" "));
  const secrets = JSON.parse(await readFile(path.join(folder, "secrets.json"), "utf8")) as Record<string, string>;
  const keys = [
    home.writeKey,
    home.readKey,
    eraseKey,
    STRANGER_KEY,
    HOOK_SECRET,
    ...control,
    ...Object.values(secrets),
  ];
  const unwanted = [...keys, ...Object.values(PERSON)];
  assert.ok(unwanted.every((text) => typeof text === "string" && text.length > 5));
  for (const text of unwanted)
    for (const form of [
      text,
      encodeURIComponent(text),
      Buffer.from(text).toString("base64").replace(/=+$/, ""),
      JSON.stringify(text).slice(1, -1),
    ])
      assert.ok(
        !log.includes(form),
        `the log has ${text}:\n${log.split("\n").find((line) => line.includes(form)) ?? ""}`,
      );
});
