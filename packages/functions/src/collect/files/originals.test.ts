import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { ReceiptId } from "@ebb/core/ids";
import { EmbeddedObjectStore } from "@ebb/ports/embedded/object-store";
import { originalKeyOf, removeOldOriginals } from "./originals.ts";

test("no original is kept for more than seven days, and none is removed before its sixth day is over", async (context) => {
  const folder = mkdtempSync(path.join(tmpdir(), "ebb-originals-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const objects = new EmbeddedObjectStore(folder);
  const uploaded = Date.UTC(2026, 0, 10, 0, 0, 1);
  const key = originalKeyOf("upl_1" as ReceiptId, uploaded);
  await objects.put(key, Buffer.from("a file"));

  await removeOldOriginals(objects, Date.UTC(2026, 0, 16, 23, 59, 59));
  assert.equal(await objects.size(key), 6);
  await removeOldOriginals(objects, Date.UTC(2026, 0, 17, 0, 0, 1)); // seven days to the second
  assert.equal(await objects.size(key), undefined);
});
