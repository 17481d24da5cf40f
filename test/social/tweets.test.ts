/** Real tweets through the hook of the embedded home, in the layout in which X sends them, and back out by SQL. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import Papa from "papaparse";
import { startHome } from "@ebb/home/home";
import { DuckDbQueryEngine } from "@ebb/ports/embedded/query-engine";

const data = process.env["EBB_TEST_DATA"] ?? path.join(import.meta.dirname, "../../../shared/data");
const file = path.join(data, "airline_tweets.csv.gz");
const SECRET = "a secret for hooks of X";

type Row = Record<"tweet_id" | "airline_sentiment" | "name" | "text" | "tweet_created" | "retweet_count", string>;

const MONTHS = ["Jan", "Feb", "Mar"];
/** `2015-02-24 11:35:52 -0800` as X writes it: `Tue Feb 24 11:35:52 -0800 2015`. */
const createdAt = (text: string): string => {
  const [, year, month, day, time, zone] = /^(\d+)-(\d+)-(\d+) (\S+) (\S+)$/.exec(text)!;
  return `Tue ${MONTHS[Number(month) - 1]} ${day} ${time} ${zone} ${year}`;
};

const status = (row: Row) => ({
  created_at: createdAt(row.tweet_created),
  id_str: row.tweet_id,
  text: row.text,
  user: { screen_name: row.name, name: row.name },
  retweet_count: Number(row.retweet_count),
  // Not of X: a label that a relay adds.
  sentiment: row.airline_sentiment,
});

test(
  "14,640 rows of tweets are 14,485 tweets, each once, with their labels and without their people",
  { skip: existsSync(file) ? false : `${file} is not there: set EBB_TEST_DATA` },
  async (context) => {
    const folder = await mkdtemp(path.join(tmpdir(), "ebb-tweets-"));
    const home = await startHome({ folder, port: 0, hookSecrets: { twitter: SECRET } });
    context.after(async () => {
      await home.close();
      await rm(folder, { recursive: true, force: true });
    });
    const rows = Papa.parse<Row>(gunzipSync(readFileSync(file)).toString(), {
      header: true,
      skipEmptyLines: true,
    }).data;
    assert.equal(rows.length, 14_640);

    const sums = { received: 0, appended: 0, duplicates: 0, quarantined: 0 };
    for (let at = 0; at < rows.length; at += 1_000) {
      const body = JSON.stringify({ tweet_create_events: rows.slice(at, at + 1_000).map(status) });
      const signature = `sha256=${createHmac("sha256", SECRET).update(body).digest("hex")}`;
      const answer = await fetch(`${home.url}/v1/social/twitter`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-hub-signature-256": signature },
        body,
      });
      assert.equal(answer.status, 200);
      const counts = (await answer.json()) as typeof sums;
      for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += counts[name];
    }
    assert.deepEqual(sums, { received: 14_640, appended: 14_640, duplicates: 155, quarantined: 0 });

    await home.flushLake();
    const engine = await DuckDbQueryEngine.open({ folder: path.join(folder, "lake"), memoryMb: 512, threads: 2 });
    const query = async (sql: string) => (await engine.query(sql)).rows.map((row) => row.map(String));
    try {
      const first = new Map(rows.map((row) => [row.tweet_id, row]).reverse() as [string, Row][]);
      const labels = Map.groupBy(first.values(), (row) => row.airline_sentiment);
      assert.deepEqual(
        await query("SELECT sentiment, count(*), count(DISTINCT post_id) FROM social_activity GROUP BY 1 ORDER BY 1"),
        [...labels].map(([label, of]) => [label, String(of.length), String(of.length)]).sort(),
      );
      assert.deepEqual(await query("SELECT count(*) FROM social_activity"), [["14485"]]);
      const [span] = await query("SELECT min(occurred_at), max(occurred_at) FROM social_activity");
      assert.match(span![0]!, /^2015-02-1[67]/);
      assert.match(span![1]!, /^2015-02-24/);
      // No handle is left: neither the author's nor one that a text names.
      assert.deepEqual(await query(String.raw`SELECT count(*) FROM raw_events WHERE regexp_matches(body, '@\w')`), [
        ["0"],
      ]);
      assert.deepEqual(await query("SELECT count(*) FROM raw_events WHERE author_key IS NULL"), [["0"]]);
    } finally {
      engine.close();
    }
  },
);
