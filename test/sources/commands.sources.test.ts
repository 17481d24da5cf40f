/** `ebb sources` as a process of its own: what is declared, whether it can be read, loads, and how they went. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type Home, startHome } from "@ebb/home/home";
import { EmbeddedSourceStore } from "@ebb/ports/embedded/source-store";

const root = path.resolve(import.meta.dirname, "../..");

interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const ebb = async (...args: readonly string[]): Promise<Said> => {
  const child = spawn(process.execPath, [path.join(root, "packages/home/bin/ebb.js"), "sources", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test", AWS_MAX_ATTEMPTS: "1" },
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out, err };
};

/** A port of this machine on which nobody listens. */
const deadPort = async (): Promise<number> => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
};

describe("ebb sources", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-commands-"));
  const data = ["--data", folder];
  const file = path.join(folder, "ebb.sources.json");
  const inbox = path.join(folder, "inbox");
  let home: Home;
  const declare = (sources: readonly object[], connections: object): void =>
    writeFileSync(file, JSON.stringify({ connections, sources }));
  before(async () => {
    mkdirSync(inbox);
    home = await startHome({ folder, currency: "EUR" });
  });
  after(async () => {
    await home.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("without a file it says how to begin; with a faulty one it tells all faults", async () => {
    const none = await ebb("list", ...data);
    assert.deepEqual([none.code, none.err], [0, ""]);
    assert.match(none.out, /declares no source\. docs\/sources\.md shows how/);
    declare(
      [
        { name: "drops", connection: "inbox", prefix: 7 },
        { name: "orders", connection: "nowhere" },
      ],
      { inbox: { kind: "objects", folder: "inbox" } },
    );
    const said = await ebb("check", ...data);
    assert.equal(said.code, 1);
    assert.match(said.err, /source "drops": prefix /);
    assert.match(said.err, /source "orders": connection names none/);
  });

  it("lists, checks, loads and tells how it went; a second load brings nothing", async () => {
    const dead = await deadPort();
    declare(
      [
        { name: "drops", connection: "inbox", options: { layout: "order_lines" }, schedule: { at: "02:30" } },
        {
          name: "people",
          connection: "db",
          maps: "profiles",
          table: "people",
          key: ["id"],
          mode: "snapshot",
          fields: { customer_id: "id" },
        },
        {
          name: "carts",
          connection: "tables",
          maps: "products",
          table: "carts",
          key: ["id"],
          fields: { product_id: "id" },
          read: { scan: {} },
        },
      ],
      {
        inbox: { kind: "objects", folder: "inbox" },
        db: { kind: "postgres", host: "127.0.0.1", port: dead, database: "shop", user: "ebb_reader", tls: "off" },
        tables: { kind: "dynamodb", region: "us-east-1", endpoint: `http://127.0.0.1:${dead}` },
      },
    );
    writeFileSync(
      path.join(inbox, "a.csv"),
      "order_id,customer_id,order_date,product_id,quantity,unit_price\n1,ada,2026-01-01,tea,2,2.50\n",
    );
    writeFileSync(path.join(inbox, "b.csv"), "\u0000\u0001");
    for (const name of ["a.csv", "b.csv"]) utimesSync(path.join(inbox, name), 1, 1);

    const listed = await ebb("list", ...data);
    assert.match(listed.out, /^drops +objects +files +daily at 02:30$/m);
    assert.match(listed.out, /^people +relational +profiles +on demand$/m);
    assert.match(listed.out, /^carts +dynamodb +products +on demand$/m);

    const checked = await ebb("check", ...data);
    assert.equal(checked.code, 1);
    assert.match(checked.out, /^drops: 2 objects to be taken, 0 too young/m);
    assert.match(checked.err, /^Source "people": the connection to 127\.0\.0\.1 failed/m);
    assert.match(checked.err, /^Source "carts": the table carts could not be read for now/m);

    const loaded = await ebb("run", "drops", ...data);
    assert.deepEqual([loaded.code, loaded.err], [0, ""]);
    assert.match(loaded.out, /loaded after .* 1 rows read, 1 events, 0 quarantined/);
    assert.match(loaded.out, /1 objects taken, 1 failed/);
    assert.match(loaded.out, /^ {2}b\.csv: The file is binary/m);
    assert.match(
      (await ebb("run", "drops", ...data)).out,
      /0 objects taken, 0 failed, .* 2 looked at by a load before/,
    );

    const failed = await ebb("run", "people", ...data);
    assert.equal(failed.code, 1);
    assert.match(failed.err, /Source "people": the connection to 127\.0\.0\.1 failed/);

    const status = await ebb("status", ...data);
    assert.equal(status.code, 0);
    assert.match(status.out, /^drops: loaded 20/m);
    assert.equal(status.out.match(/objects taken/g)?.length, 2);
    assert.match(status.out, /^people: never loaded$/m);
    assert.match(status.out, /^carts: never loaded$/m);
  });

  it("accept takes the fields as they are; names that are none and words that are none are refused", async () => {
    assert.match((await ebb("accept", "people", ...data)).out, /never loaded: there is nothing to accept/);
    const store = new EmbeddedSourceStore(folder);
    await store.put({ name: "people", generation: 4, plan: "digest", watermark: "2026-01-01", loadedAtMs: 1 });
    assert.match((await ebb("accept", "people", ...data)).out, /next load of people takes the fields as they are/);
    assert.deepEqual(await store.get("people"), { name: "people", generation: 4, loadedAtMs: 1 });
    store.close();
    for (const args of [["status", "nobody"], ["frobnicate"], ["run"], ["run", "a", "b"]]) {
      const said = await ebb(...args, ...data);
      assert.equal(said.code, 2, args.join(" "));
      assert.notEqual(said.err, "");
    }
    assert.match((await ebb("--help")).out, /^Usage: ebb sources/);
  });
});
