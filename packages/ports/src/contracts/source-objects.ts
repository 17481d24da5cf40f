import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ObjectNotFound } from "../ports.ts";
import type { SourceObjects } from "../source-ports.ts";
import { SourceProblem } from "../source-ports.ts";

export interface OpenSourceObjects {
  readonly objects: SourceObjects;
  /** As whoever owns the place writes to it. */
  readonly put: (key: string, body: string) => Promise<void>;
}

/** What every place that others write to promises: each key once, whole contents, another version with every change. */
export const sourceObjectsContract = (name: string, open: () => Promise<OpenSourceObjects>): void => {
  describe(`source objects: ${name}`, () => {
    const listed = async (objects: SourceObjects, prefix: string) => {
      const found = [];
      for await (const object of objects.list(prefix)) found.push(object);
      return found;
    };
    const textOf = async (objects: SourceObjects, key: string): Promise<string> => {
      const chunks = [];
      for await (const chunk of await objects.read(key)) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    };

    it("lists what lies under a prefix, each key once, and nothing else", async () => {
      const { objects, put } = await open();
      for (const key of ["in/b", "in/a/1", "in/a-1", "in/ä", "inside", "out/a"]) await put(key, key);
      const keys = async (prefix: string) => (await listed(objects, prefix)).map(({ key }) => key).sort();
      assert.deepEqual(await keys("in/"), ["in/a-1", "in/a/1", "in/b", "in/ä"]);
      assert.deepEqual(await keys("in/a"), ["in/a-1", "in/a/1"]);
      assert.deepEqual(await keys("in"), ["in/a-1", "in/a/1", "in/b", "in/ä", "inside"]);
      assert.deepEqual(await keys("none/"), []);
      assert.equal((await keys("")).length, 6);
    });

    it("tells size and time, and another version when the content is another of the same size", async () => {
      const { objects, put } = await open();
      const startedAtMs = Date.now();
      await put("in/a.csv", "one");
      const [before] = await listed(objects, "in/");
      assert.equal(before?.bytes, 3);
      assert.ok(Math.abs(before.modifiedAtMs - startedAtMs) < 60_000);
      assert.equal((await listed(objects, "in/"))[0]?.version, before.version);
      await new Promise((resolve) => setTimeout(resolve, 20));
      await put("in/a.csv", "two");
      assert.notEqual((await listed(objects, "in/"))[0]?.version, before.version);
      assert.equal(await textOf(objects, "in/a.csv"), "two");
    });

    it("reads a large content whole; says which object is not there", async () => {
      const { objects, put } = await open();
      const large = Array.from({ length: 200_000 }, (_, line) => `line ${line}\n`).join("");
      await put("in/large", large);
      assert.equal(await textOf(objects, "in/large"), large);
      await assert.rejects(
        textOf(objects, "in/none"),
        (error: unknown) =>
          error instanceof ObjectNotFound || (error instanceof SourceProblem && error.cause instanceof ObjectNotFound),
      );
    });
  });
};
