import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PGlite } from "@electric-sql/pglite";
import { copyRows } from "./copy-text.ts";

async function* inPieces(bytes: Buffer, size: number): AsyncIterable<Buffer> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}

describe("COPY text", () => {
  it("gives back what PostgreSQL wrote, wherever the chunks are cut", async () => {
    const db = await PGlite.create();
    const odd = ["", "a\tb", "a\nb", "\\N", "\\", "é€😀", 'q"q', "\r\b\f\v", "N", "plain"];
    await db.exec("CREATE TABLE odd (id integer PRIMARY KEY, t text)");
    for (const [id, t] of [...odd, null].entries()) await db.query("INSERT INTO odd VALUES ($1, $2)", [id, t]);
    const { blob } = await db.query("COPY (SELECT id, t FROM odd ORDER BY id) TO '/dev/blob'");
    await db.close();
    const bytes = Buffer.from(await blob!.arrayBuffer());
    for (const size of [1, 2, 3, 7, 64, 100_000]) {
      const rows = [];
      for await (const block of copyRows(inPieces(bytes, size))) rows.push(...block);
      assert.deepEqual(
        rows,
        [...odd, null].map((t, id) => [String(id), t]),
      );
    }
  });

  it("a stream that ends within a row is an error", async () => {
    await assert.rejects(async () => {
      for await (const block of copyRows(inPieces(Buffer.from("1\ta\n2\tb"), 100))) void block;
    }, /ended within a row/);
  });
});
