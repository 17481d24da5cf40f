import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { StagedLines } from "./staged-lines.ts";

const inFolder = async (work: (folder: string) => Promise<void>): Promise<void> => {
  const folder = await mkdtemp(path.join(tmpdir(), "ebb-staged-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
};

test("what is appended stands in the files in its order, whatever the sizes and however often they are closed", async () => {
  const appended = fc.record({ bytes: fc.integer({ min: 1, max: 700_000 }), closes: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(appended, { minLength: 1, maxLength: 8 }), (steps) =>
      inFolder(async (folder) => {
        const staged = new StagedLines(folder);
        const lines = steps.map(({ bytes }, index) => Buffer.from(String(index % 10).repeat(bytes - 1) + "\n"));
        for (const [index, line] of lines.entries()) {
          await staged.append(line);
          if (steps[index]!.closes) await staged.close();
        }
        await staged.close();
        const found = await Promise.all(staged.files.map((file) => readFile(file)));
        assert.ok(Buffer.concat(found).equals(Buffer.concat(lines)));
        assert.equal(staged.bytes, Buffer.concat(lines).length);
        for (const file of found) assert.ok(file.length <= 1_000_000, "no file is larger than a megabyte");
        await staged.remove();
        assert.deepEqual([staged.bytes, await readdir(folder)], [0, []]);
      }),
    ),
    { seed: 7, numRuns: 40 },
  );
});

test("lines longer than a file are in one of their own, and what comes after a removal begins anew", async () => {
  await inFolder(async (folder) => {
    const staged = new StagedLines(folder);
    await staged.append(Buffer.from("a\n"));
    await staged.append(Buffer.alloc(3_000_000, "b"));
    await staged.append(Buffer.from("c\n"));
    assert.equal(staged.files.length, 3);
    await staged.remove();
    await staged.append(Buffer.from("d\n"));
    await staged.close();
    assert.deepEqual([staged.bytes, await readFile(staged.files[0]!, "utf8")], [2, "d\n"]);
  });
});
