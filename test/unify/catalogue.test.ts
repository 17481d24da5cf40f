/** The catalogue that a home serves, its own tables as `docs/tables.md` has them and what is declared of sources, and what goes by it. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { Pseudonymizer } from "@ebb/core/ids";
import { loadRows } from "@ebb/functions/collect/sources/load";
import { type Home, startHome } from "@ebb/home/home";
import { SOURCES_FILE, readSources } from "@ebb/home/source-files";
import { trustKey } from "../erasure/shop-to-forget.ts";
import { readerOf } from "../sources/fixed-reader.ts";
import { SECRET, openPorts } from "../sources/ports.ts";

interface Told {
  readonly sources: readonly {
    readonly name: string;
    readonly loaded_at?: string;
    readonly tables: readonly {
      readonly name: string;
      readonly filled: boolean;
      readonly columns: readonly object[];
    }[];
  }[];
  readonly tables: readonly {
    readonly name: string;
    readonly grain: string;
    readonly columns: readonly { readonly name: string; readonly type: string; readonly unit?: string }[];
  }[];
}

describe("the catalogue", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-catalogue-"));
  let home: Home;
  before(async () => {
    const people = {
      ...{ name: "people", connection: "shop", maps: "profiles", table: "crm.people", key: ["id"], mode: "snapshot" },
      ...{ fields: { customer_id: "id" }, keep: ["tier"], personal: ["email"], schedule: { every: "15m" } },
    };
    const orders = {
      ...{ name: "sold", connection: "shop", maps: "orders", table: "orders", key: ["no"], mode: "incremental" },
      ...{ watermark: { field: "changed" }, deletion: "keys", currency: "EUR" },
      fields: { order_id: "no", customer_id: "buyer", occurred_at: "placed", total: "total" },
      lines: { table: "lines", order: "no", key: ["line"], fields: { product_id: "sku" } },
    };
    writeFileSync(
      path.join(folder, SOURCES_FILE),
      JSON.stringify({
        connections: {
          shop: { kind: "postgres", host: "127.0.0.1", database: "shop", user: "reader" },
          drop: { kind: "objects", folder: "drop" },
        },
        sources: [people, orders, { name: "tills", connection: "drop", prefix: "in/<b>/" }],
      }),
    );
    home = await startHome({ folder });
    const [source] = readSources(folder);
    assert.equal(source?.kind, "relational");
    const ports = await openPorts(folder);
    const fields = ["id", "tier", "email"].map((name) => ({ name, type: "text", lake: "string" as const }));
    await loadRows(ports, source.spec, readerOf(fields, [["1", "gold", "a@example.com"]]), {
      owner: "test",
      remainingMs: () => Infinity,
    });
    await ports.close();
  });
  after(async () => {
    await home.close();
    rmSync(folder, { recursive: true });
  });
  const ask = (query = "", headers: Record<string, string> = { authorization: `Bearer ${home.readKey}` }) =>
    fetch(`${home.url}/v1/catalogue${query}`, { headers });

  it("has every table of docs/tables.md, with the columns and types that stand there", async () => {
    const { tables } = (await (await ask()).json()) as Told;
    const page = readFileSync(path.join(import.meta.dirname, "../../docs/tables.md"), "utf8");
    const sections = page.split(/^## /m).filter((text) => text.startsWith("`"));
    assert.deepEqual(
      tables.map(({ name }) => name),
      sections.map((text) => /^`(\w+)`/.exec(text)![1]),
    );
    for (const [at, { name, grain, columns }] of tables.entries()) {
      const rows = [...sections[at]!.matchAll(/^\| `([^`]+)` +\| (\S[^|]*?) +\|/gm)].map(([, ...cells]) =>
        cells.join(" "),
      );
      assert.deepEqual(columns.map((column) => `${column.name} ${column.type}`).sort(), rows.sort(), name);
      assert.ok(grain.length > 5, name);
    }
    const features = tables.find(({ name }) => name === "customer_features")!.columns;
    assert.equal(features.find(({ name }) => name === "recency_days")?.unit, "days");
  });

  it("has every declared source: what it maps to, its key, watermark, schedule, what is personal, what was filled", async () => {
    const { sources } = (await (await ask()).json()) as Told;
    const [people, sold] = sources;
    const { loaded_at: loadedAt, ...rest } = people!;
    assert.ok(Math.abs(Date.parse(loadedAt!) - Date.now()) < 600_000);
    const column = (name: string, field: string, key: boolean, pseudonym = false) => ({ name, field, key, pseudonym });
    assert.deepEqual(rest, {
      ...{ name: "people", connection: "shop", maps: "profiles", source: "shop", from: "crm.people" },
      ...{ key: ["id"], personal: ["email"], schedule: "every 15 minutes" },
      tables: [
        {
          name: "source_people",
          grain: "One row per row of `crm.people`",
          filled: true,
          columns: [
            { ...column("customer_key", "id", true, true), type: "string" },
            { ...column("tier", "tier", false), type: "string" },
          ],
        },
      ],
    });
    const { tables, ...declared } = sold!;
    assert.deepEqual(declared, {
      ...{ name: "sold", connection: "shop", maps: "orders", source: "shop", from: "orders", key: ["no"] },
      ...{ watermark: "changed", schedule: "on demand", personal: [], currency: "EUR" },
    });
    assert.deepEqual(
      tables.map(({ name, filled }) => [name, filled]),
      [
        ["source_sold", false],
        ["source_sold_lines", false],
      ],
    );
  });

  it("is a page too: nothing on it runs or is fetched, and what is declared is text", async () => {
    const answer = await ask("?format=html");
    const text = await answer.text();
    assert.match(answer.headers.get("content-type")!, /^text\/html/);
    assert.match(answer.headers.get("content-security-policy")!, /^default-src 'none'; style-src 'sha256-[\w+/=]+'/);
    assert.doesNotMatch(text, /<script|<link|<img|<iframe|@import|url\(|https?:\/\//i);
    assert.ok(text.includes("in/&#60;b&#62;/") && !text.includes("in/<b>"));
    for (const word of ["source_sold_lines", "customer_features", "raw_events", '<span class="mark">personal</span>'])
      assert.ok(text.includes(word), word);
  });

  it("stands behind what a person is given: what a source told of them, and nothing of others", async () => {
    const key = await trustKey(folder);
    const given = async (id: string) =>
      (await (
        await fetch(`${home.url}/v1/customers/${id}/export`, { headers: { authorization: `Bearer ${key}` } })
      ).json()) as { profile: { traits: object }; sources: object; status?: number };
    // Under the secret of the ports that loaded it.
    const customerKey = new Pseudonymizer(SECRET).customer("1");
    const { profile, sources } = await given(customerKey);
    assert.deepEqual(profile.traits, { email: "a@example.com" });
    assert.deepEqual(sources, [
      { table: "source_people", rows: [{ customer_key: customerKey, tier: "gold" }], more: false },
    ]);
    assert.equal((await given("2")).status, 404);
  });

  it("asks for a key that may read, and is not sent again to whoever has it", async () => {
    assert.equal((await ask("", {})).status, 401);
    assert.equal((await ask("", { authorization: `Bearer ${home.writeKey}` })).status, 403);
    const etag = (await ask()).headers.get("etag")!;
    const again = await ask("", { authorization: `Bearer ${home.readKey}`, "if-none-match": etag });
    assert.equal(again.status, 304);
  });
});
