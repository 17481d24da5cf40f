import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { EmbeddedObjectStore } from "@ebb/ports/embedded";
import { EmbeddedSourceStore } from "@ebb/ports/embedded/source-store";
import { sourcesTold } from "./sources-on-aws.ts";

describe("what declared sources have told a run in AWS", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-told-"));
  const sources = new EmbeddedSourceStore(folder);
  const objects = new EmbeddedObjectStore(path.join(folder, "lake"));
  after(() => {
    sources.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("is of sources that were loaded, with the columns that stand in the lake", async () => {
    const file = path.join(folder, "ebb.sources.json");
    const source = {
      connection: "db",
      key: ["sku"],
      mode: "snapshot",
      maps: "products",
      fields: { product_id: "sku" },
    };
    writeFileSync(
      file,
      JSON.stringify({
        connections: { db: { kind: "postgres", host: "db.example.com", database: "shop", user: "ebb" } },
        sources: [
          { ...source, name: "items", table: "items", currency: "EUR" },
          { ...source, name: "never_loaded", table: "others" },
        ],
      }),
    );
    await sources.put({ name: "items", generation: 1, loadedAtMs: 1_700_000_000_000 });
    const end = { loadId: "load_1", startedAtMs: 1, endedAtMs: 2, attempts: 1, outcome: "loaded" } as const;
    await sources.ended("items", { ...end, counts: { read: 3, events: 0, quarantined: 0, nulled: {} } });
    // As LakeSourceTables leaves it.
    const columns = [
      { name: "product_id", type: "string" },
      { name: "price", type: "decimal(12,2)" },
    ];
    const document = { physical: "ebb_source_items_01234567", columns, load: "load_1", keptUpAtMs: 2, replaced: [] };
    await objects.put("sources/tables/source_items.json", Buffer.from(JSON.stringify(document)));

    const { toldTables, sourceLoads } = sourcesTold({ sources, objects }, file);
    assert.deepEqual(await toldTables(), [
      {
        table: "source_items",
        maps: "products",
        source: "shop",
        columns: { product_id: "string", price: "decimal(12,2)" },
        besides: [],
        currency: "EUR",
        loadedAtMs: 1_700_000_000_000,
      },
    ]);
    assert.deepEqual(
      (await sourceLoads()).map(({ name, ends }) => [name, ends.map(({ counts }) => counts.read)]),
      [
        ["items", [3]],
        ["never_loaded", []],
      ],
    );
  });
});
