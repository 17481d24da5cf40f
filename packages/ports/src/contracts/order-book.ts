import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { FileOrder, OrderBook } from "../ports.ts";
import { newReceipt } from "./samples.ts";

export interface OpenOrderBook {
  readonly book: OrderBook;
  readonly reopen: () => Promise<OpenOrderBook>;
  readonly close: () => Promise<void>;
}

const suite = newReceipt();

const order = (name: string, version: number, lines: number): FileOrder => ({
  key: `shop\u001fcustomer\u001f${suite} ${name}`,
  version,
  content: JSON.stringify(
    Array.from({ length: lines }, (_, n) => ({ line_id: `row ${name} ${n}`, name: "Mug, „blue“", unit_price: 2.555 })),
  ),
});

/** What every order book promises: the whole order, guarded by its version. */
export const orderBookContract = (name: string, open: () => Promise<OpenOrderBook>): void => {
  describe(`order book: ${name}`, async () => {
    let opened = await open();
    after(async () => opened.close());
    const outcome = async (each: FileOrder) => (await opened.book.write([each])).get(each.key);
    const read = async (key: string) => (await opened.book.read([key])).get(key);

    it("answers with the orders it knows and no others", async () => {
      assert.equal(await outcome(order("a", 1, 2)), "written");
      const found = await opened.book.read([order("a", 1, 2).key, order("unknown", 1, 0).key]);
      assert.deepEqual([...found.keys()], [order("a", 1, 2).key]);
      assert.deepEqual(found.get(order("a", 1, 2).key), order("a", 1, 2));
    });

    it("refuses a version that does not follow the stored one", async () => {
      assert.equal(await outcome(order("b", 2, 1)), "conflict");
      assert.equal(await outcome(order("b", 1, 1)), "written");
      assert.equal(await outcome(order("b", 1, 3)), "conflict");
      assert.equal(await outcome(order("b", 2, 3)), "written");
      assert.equal(await outcome(order("b", 2, 4)), "conflict");
      assert.deepEqual(await read(order("b", 0, 0).key), order("b", 2, 3));
    });

    it("keeps the orders of a call apart", async () => {
      await outcome(order("c1", 1, 1));
      const outcomes = await opened.book.write([order("c1", 1, 2), order("c2", 1, 2)]);
      assert.deepEqual(
        [outcomes.get(order("c1", 1, 1).key), outcomes.get(order("c2", 1, 1).key)],
        ["conflict", "written"],
      );
    });

    it("holds an order of 4,000 lines", async () => {
      await outcome(order("large", 1, 4_000));
      assert.deepEqual(await read(order("large", 0, 0).key), order("large", 1, 4_000));
    });

    it("lets one of 64 writers of the same version win, each time", async () => {
      for (const version of [1, 2, 3]) {
        const outcomes = await Promise.all(
          Array.from({ length: 64 }, (_, n) => outcome({ ...order("raced", version, 1), content: `writer ${n}` })),
        );
        assert.equal(outcomes.filter((each) => each === "written").length, 1);
        const winner = outcomes.indexOf("written");
        assert.deepEqual((await read(order("raced", 0, 0).key))?.content, `writer ${winner}`);
      }
    });

    it("keeps orders over a reopening", async () => {
      await outcome(order("kept", 1, 3));
      opened = await opened.reopen();
      assert.deepEqual(await read(order("kept", 0, 0).key), order("kept", 1, 3));
    });
  });
};
