/** `ebb ledger`, `quarantine`, `replay`, `keys` and `erase` as their users meet them: processes, with exit codes and words. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { type HomeProcess, spawnHome } from "../support/home-process.ts";
import { orderEvent, postBatch } from "./load.ts";

const main = fileURLToPath(new URL("../../packages/home/src/main.ts", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

describe("commands of trust", { timeout: 180_000 }, () => {
  let root: string;
  let home: HomeProcess;
  let data: string;
  const ebb = (...args: string[]): Promise<Ended> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", main, ...args], { cwd: root });
      let [out, err] = ["", ""];
      child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
      child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
      child.on("close", (code) => resolve({ code, out, err }));
    });
  const here = (...args: string[]): Promise<Ended> => ebb(...args, "--data", data);
  const jsonLines = (text: string): Record<string, unknown>[] =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  before(async () => {
    root = await mkdtemp(path.join(tmpdir(), "ebb-commands-"));
    data = path.join(root, "home");
    home = await spawnHome(data);
    const sent = await postBatch(home, [
      orderEvent("o-1", "ann", 500),
      orderEvent("o-2", "bea", 700),
      orderEvent("o-3", "cid", 900),
      { type: "track", event: "Order Completed", messageId: "bad\u001b[2J", userId: "ann" },
    ]);
    assert.equal(sent.status, 200);
    assert.equal((await postBatch(home, [orderEvent("o-1", "ann", 500)])).status, 200);
    await home.control("settle");
  });
  after(async () => {
    await home.kill();
    await rm(root, { recursive: true, force: true });
  });

  describe("ledger", () => {
    it("lists what arrived, the newest first, and each line balances", async () => {
      const { code, out } = await here("ledger", "--json");
      assert.equal(code, 0);
      assert.deepEqual(
        jsonLines(out).map((line) => [
          ...["channel", "received", "appended", "quarantined", "accepted", "duplicate", "balances"].map(
            (name) => line[name],
          ),
        ]),
        [
          ["http", 1, 1, 0, 0, 1, true],
          ["http", 4, 3, 1, 3, 0, true],
        ],
      );
      const table = await here("ledger", "--limit", "1");
      assert.equal(table.code, 0);
      assert.match(table.out, /receipt.*received.*balance/);
      assert.equal(table.out.match(/rcp_/g)?.length, 1);
    });

    it("tells one line by its id, and that there is none by exit code 1", async () => {
      const [{ receipt_id: id }] = jsonLines((await here("ledger", "--json")).out) as [{ receipt_id: string }];
      const one = await here("ledger", id);
      assert.equal(one.code, 0);
      assert.ok(one.out.includes(id));
      const none = await here("ledger", "rcp_none");
      assert.deepEqual([none.code, none.out], [1, ""]);
      assert.match(none.err, /No request, hook or upload has the id rcp_none\./);
    });

    it("says by exit code 1 that a line does not balance", async () => {
      const broken = path.join(root, "broken");
      assert.equal((await here("backup", path.join(root, "backup"))).code, 0);
      assert.equal((await ebb("restore", path.join(root, "backup"), "--data", broken)).code, 0);
      const db = new DatabaseSync(path.join(broken, "log.db"));
      db.exec("UPDATE receipts SET received = received + 1 WHERE received = 4");
      db.close();
      const { code, out } = await ebb("ledger", "--data", broken);
      assert.equal(code, 1);
      assert.match(out, /does not balance/);
    });

    it("misunderstood is exit code 2, without a home 1", async () => {
      assert.equal((await here("ledger", "a", "b")).code, 2);
      assert.equal((await here("ledger", "--limit", "0")).code, 2);
      const none = await ebb("ledger", "--data", path.join(root, "nowhere"));
      assert.equal(none.code, 1);
      assert.match(none.err, /There is no home in/);
    });
  });

  describe("quarantine", () => {
    it("counts by reason, with samples that steer no terminal", async () => {
      const { code, out } = await here("quarantine");
      assert.equal(code, 0);
      assert.match(out, /missing_field\s+1\s+1\s+0\s+0/);
      assert.match(out, /row 3: \{"type":"track"/);
      assert.ok(!out.includes("\u001b"));
    });

    it("gives every item as JSON with its bytes, the bytes alone, and nothing of another reason", async () => {
      const [item, ...more] = jsonLines((await here("quarantine", "--json")).out);
      assert.deepEqual([more.length, item?.["code"], item?.["row_number"]], [0, "missing_field", 3]);
      const bytes = Buffer.from(String(item?.["original_base64"]), "base64").toString();
      assert.equal((JSON.parse(bytes) as { messageId: string }).messageId, "bad\u001b[2J");
      assert.equal((await here("quarantine", "--original")).out, `${bytes}\n`);
      const other = await here("quarantine", "--reason", "too_large");
      assert.deepEqual([other.code, other.out], [0, "Nothing of this is in quarantine.\n"]);
    });

    it("misunderstood is exit code 2, with what is understood", async () => {
      const reason = await here("quarantine", "--reason", "ugly");
      assert.equal(reason.code, 2);
      assert.match(reason.err, /"ugly" is none of invalid_json, /);
      assert.equal((await here("quarantine", "--since", "soon")).code, 2);
      assert.equal((await here("quarantine", "more")).code, 2);
      assert.equal((await ebb("quarantine", "--data", path.join(root, "nowhere"))).code, 1);
    });
  });

  describe("replay", () => {
    it("from the lake says what it took from the log, and leaves a home that runs as it is", async () => {
      const rebuilt = await here("replay", "--from", "lake");
      assert.equal(rebuilt.code, 0, rebuilt.err);
      assert.match(
        rebuilt.out,
        /^(0 customers from 0 order events, as of record 0\.\nWith what the log has|3 customers)/,
      );
      assert.match(rebuilt.out, /Every one of 3 equals the live one in every field\./);
      const refused = await here("replay", "--from", "lake", "--replace");
      assert.equal(refused.code, 1);
      assert.match(refused.err, /Another home has .* open\. Stop it first\.\n$/);
    });

    it("misunderstood is exit code 2, with what is understood", async () => {
      for (const [args, said] of [
        [["--since", "yesterday"], /no instant like 2026-01-31/],
        [["--from", "elsewhere"], /none of quarantine, dead-letters, lake/],
        [["--replace"], /for --from lake/],
        [["all"], /takes no "all"/],
      ] as const) {
        const { code, err } = await here("replay", ...args);
        assert.deepEqual([code, said.test(err)], [2, true], err);
      }
    });
  });

  describe("keys", () => {
    const status = async (key: string): Promise<number> =>
      (await fetch(`${home.url}/v1/pipeline`, { headers: { authorization: `Bearer ${key}` } })).status;

    it("a key made works at once, its successor after it, and neither once it has ended", async () => {
      const made = await here("keys", "create", "--scope", "read:operations", "--label", "monitor");
      assert.equal(made.code, 0, made.err);
      const key = made.out.trim();
      const [id] = /key_[0-9a-f]{12}/.exec(made.err)!;
      assert.equal(await status(key), 200);
      const next = (await here("keys", "rotate", id, "--overlap", "0")).out.trim();
      assert.deepEqual([await status(key), await status(next)], [401, 200]);
      const successor = `key_${next.split("_")[1]!}`;
      assert.equal((await here("keys", "revoke", successor)).code, 0);
      assert.equal(await status(next), 401);
      const listed = (await here("keys")).out;
      assert.match(listed, new RegExp(`${successor} .*revoked .*monitor`));
      for (const secret of [key, next]) assert.ok(!listed.includes(secret));
    });

    it("misunderstood is exit code 2, and says what of it was", async () => {
      for (const [args, said] of [
        [["mint"], /^ebb keys has no "mint"\. See ebb keys --help\.\n$/],
        [["rotate"], /^ebb keys rotate takes the id of a key/],
        [["create"], /^--scope is needed/],
        [["create", "--scope", "write,erase"], /a write key has no other scope/],
        [["create", "--scope", "erase", "--expires", "2020-01-01"], /"2020-01-01" is past/],
      ] as const) {
        const { code, err } = await here("keys", ...args);
        assert.deepEqual([code, said.test(err)], [2, true], err);
      }
      assert.equal((await here("keys", "revoke", "key_000000000000")).code, 1);
    });
  });

  describe("erase", () => {
    it("erases by id and by file, waits, and leaves a receipt that is checked", async () => {
      await writeFile(path.join(root, "ids.txt"), "bea\r\n\n  cid \n");
      const done = await here("erase", "ann", "--file", "ids.txt", "--receipt", "receipt.json");
      assert.equal(done.code, 0, done.err);
      assert.match(done.out, /era_[0-9a-f]{32}: 3 customers, gone from every answer\./);
      assert.match(done.out, /customers\s+3\n/);
      assert.match(done.out, /Receipt: receipt\.json\. .* after 30 days\./);
      for (const id of ["ann", "bea", "cid"]) {
        const { status } = await fetch(`${home.url}/v1/customers/${id}`, { headers: { "x-write-key": home.readKey } });
        assert.equal(status, 404);
        assert.ok(!(await readFile(path.join(root, "receipt.json"), "utf8")).includes(`"${id}"`));
      }
      const verified = await here("erase", "--verify", "receipt.json");
      assert.equal(verified.code, 0);
      assert.match(verified.out, /signed by this home, and unchanged since\./);
    });

    it("asked for again names the same erasure and does not begin another", async () => {
      const again = await here("erase", "ann", "--no-wait");
      assert.equal(again.code, 0, again.err);
      assert.match(again.out, /1 customer .*erased before/);
    });

    it("erases again whom it erased before, and nobody else, however many are named", async () => {
      const again = await here("erase", "--again", "bea", "cid", "dan", "--receipt", "again.json");
      assert.equal(again.code, 0, again.err);
      assert.match(again.out, /2 of 3 were erased before, are erased again/);
      const none = await here("erase", "--again", "dan");
      assert.equal(none.code, 0, none.err);
      assert.match(none.out, /None of 1 was erased before/);
    });

    it("a receipt that was changed is none, by exit code 1", async () => {
      const receipt = JSON.parse(await readFile(path.join(root, "receipt.json"), "utf8")) as object;
      await writeFile(path.join(root, "changed.json"), JSON.stringify({ ...receipt, boundDays: 1 }));
      const { code, err } = await here("erase", "--verify", "changed.json");
      assert.equal(code, 1);
      assert.match(err, /is no receipt that was signed as it stands\./);
      await writeFile(path.join(root, "text.json"), "{");
      assert.equal((await here("erase", "--verify", "text.json")).code, 2);
      assert.equal((await here("erase", "--verify", "nowhere.json")).code, 2);
    });

    it("lets somebody back in", async () => {
      const lifted = await here("erase", "--lift", "ann");
      assert.equal(lifted.code, 0, lifted.err);
      const sent = await postBatch(home, [orderEvent("o-9", "ann", 100)]);
      assert.equal(((await sent.json()) as { appended: number }).appended, 1);
      const others = await postBatch(home, [orderEvent("o-10", "bea", 100)]);
      assert.equal(((await others.json()) as { quarantined: number }).quarantined, 1);
    });

    it("a key that may not, an unreachable home and misuse each say so, and leave no key of the command's behind", async () => {
      const forbidden = await here("erase", "ann", "--key", home.readKey);
      assert.equal(forbidden.code, 1);
      assert.match(forbidden.err, /may not/);
      const page = await here("erase", "ann", "--url", `${home.url}/?`, "--key", home.readKey);
      assert.equal(page.code, 1);
      assert.match(page.err, /is no home \(405\)\.\n$/);
      const nobody = await here("erase", "ann", "--url", "http://127.0.0.1:1", "--key", home.readKey);
      assert.equal(nobody.code, 1);
      assert.match(nobody.err, /^Nobody answers at http:\/\/127\.0\.0\.1:1\.\n$/);
      assert.equal((await here("erase")).code, 2);
      assert.equal((await here("erase", "ann", "--url", home.url)).code, 2);
      assert.equal((await here("erase", "--file", "nowhere.txt")).code, 2);
      const none = await ebb("erase", "ann", "--data", path.join(root, "nowhere"));
      assert.equal(none.code, 1);
      assert.match(none.err, /No home is running in/);
      const listed = await here("keys");
      assert.equal(listed.code, 0);
      for (const line of listed.out.split("\n")) if (line.includes("ebb erase")) assert.match(line, /revoked/);
      assert.match(listed.out, /ebb erase/);
    });
  });
});
