/** COPY's data from a real PostgreSQL, through TLS: whole, at the reader's pace, and left half-way. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { CopyOut } from "@ebb/ports/source-readers/copy-out";
import { PostgresReader } from "@ebb/ports/source-readers/postgres";
import pg from "pg";
import { type Server, postgresProgram, startPostgres } from "./servers.ts";

const ROWS = 60_000;
const postgres = postgresProgram();
void describe("COPY … TO STDOUT", { skip: postgres === undefined ? "PostgreSQL is not installed" : false }, () => {
  let server: Server;
  let watcher: pg.Client;
  const config = () => ({
    ...{ host: "127.0.0.1", port: server.port, database: "postgres", user: "owner", password: server.password },
    ssl: { ca: readFileSync(server.caFile, "utf8") },
  });
  before(async () => {
    server = await startPostgres(postgres!);
    // Rows of 1 to 2,000 bytes, 60 MB.
    await server.run(
      `CREATE TABLE wide AS SELECT i AS id, repeat('é', i % 1000) AS note FROM generate_series(1, ${ROWS}) AS n(i)`,
    );
    watcher = new pg.Client(config());
    await watcher.connect();
  });
  after(async () => {
    await watcher.end();
    await server.stop();
  });

  const copying = async (): Promise<{ pid: number; waits: string | null }[]> =>
    (
      await watcher.query<{ pid: number; waits: string | null }>(
        "SELECT pid, wait_event AS waits FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY (%'",
      )
    ).rows;
  const until = async (holds: () => Promise<boolean>, says: string): Promise<void> => {
    for (let tries = 0; !(await holds()); tries++) {
      assert.ok(tries < 300, says);
      await delay(50);
    }
  };

  void it("is byte for byte what the server writes into a file itself", async () => {
    const file = path.join(server.folder, "wide.tsv");
    await server.run(`COPY (SELECT * FROM wide ORDER BY id) TO '${file}'`);
    const client = new pg.Client(config());
    await client.connect();
    const [ours, theirs] = [createHash("sha256"), createHash("sha256").update(readFileSync(file))];
    for await (const piece of client.query(new CopyOut("COPY (SELECT * FROM wide ORDER BY id) TO STDOUT")))
      ours.update(piece);
    assert.equal(ours.digest("hex"), theirs.digest("hex"));
    const { rows } = await client.query<{ n: string }>("SELECT count(*) AS n FROM wide");
    assert.equal(rows[0]?.n, String(ROWS), "the connection serves the next statement");
    await client.end();
  });

  void it("a statement that fails among its rows tells the server's code, and the connection goes on", async () => {
    const client = new pg.Client(config());
    await client.connect();
    let bytes = 0;
    const reading = async (): Promise<void> => {
      const sql = "COPY (SELECT id, note, 1 / (id - 40000) FROM wide) TO STDOUT";
      for await (const piece of client.query(new CopyOut(sql))) bytes += piece.length;
    };
    await assert.rejects(reading(), { code: "22012" });
    assert.ok(bytes > 1_000_000);
    assert.equal((await client.query("SELECT 1 AS one")).rowCount, 1);
    await client.end();
  });

  void it("the server waits for a slow reader, and is free when the reader leaves half-way", async () => {
    const { ssl, ...address } = config();
    const reader = new PostgresReader({ ...address, source: "wide", tls: { mode: "verify", ca: ssl.ca } });
    const plan = { from: { table: "wide" }, fields: ["id", "note"], key: ["id"] };
    await reader.begin(plan);
    for await (const rows of reader.page(plan, { limit: ROWS })) {
      assert.ok(rows.length > 0);
      await until(async () => (await copying()).some(({ waits }) => waits === "ClientWrite"), "the server waits");
      break;
    }
    await until(async () => (await copying()).length === 0, "the server's process is gone");
    await reader.close();
  });

  void it("a page that is asked for and never read is closed with its reader", async () => {
    const { ssl, ...address } = config();
    const reader = new PostgresReader({ ...address, source: "wide", tls: { mode: "verify", ca: ssl.ca } });
    const plan = { from: { table: "wide" }, fields: ["id", "note"], key: ["id"] };
    await reader.begin(plan);
    const pages = reader.page(plan, { limit: ROWS })[Symbol.asyncIterator]();
    assert.equal((await pages.next()).done, false);
    await until(async () => (await copying()).some(({ waits }) => waits === "ClientWrite"), "the server waits");
    await reader.close();
    await until(async () => (await copying()).length === 0, "the server's process is gone");
    await assert.rejects(async () => {
      while ((await pages.next()).done !== true);
    }, /connection to 127\.0\.0\.1 failed or was lost/);
  });
});
