/** Online Retail again, in halves, shuffled, twice at once: the same RFM, and the ledger says what was duplicate. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ReceiptId } from "@ebb/core/ids";
import type { Upload } from "@ebb/ports";
import { folded, keyed, sorted } from "./folded.ts";
import { missing, plainCustomers, read, shuffled } from "./online-retail-file.ts";
import type { Stores } from "./stores.ts";
import { openStores } from "./stores.ts";

const NAME = "online_retail.csv.gz";
const ROWS = 541_909;

describe("Online Retail in other orders", { skip: missing(NAME) }, () => {
  const csv = missing(NAME) === false ? read(NAME).toString("utf8") : "";
  const [header = "", ...lines] = csv.trimEnd().split("\n");
  const fileOf = (rows: readonly string[]): string => [header, ...rows].join("\n");
  const half = Math.floor(lines.length / 2);
  const plain = plainCustomers(csv);

  const check = (stores: Stores): void =>
    assert.deepEqual(sorted(folded(stores.events())), sorted(keyed(plain, stores.ports.pseudonyms)));
  const counts = ({ ledger }: Upload) => [ledger!.received, ledger!.accepted, ledger!.duplicate, ledger!.quarantined];
  const within = (name: string, run: (stores: Stores) => Promise<void>): void =>
    void test(name, async () => {
      const stores = await openStores();
      try {
        await run(stores);
      } finally {
        stores.close();
      }
    });

  within(
    "the same file again adds nothing, and a corrected order in mode=replace changes exactly that order",
    async (stores) => {
      assert.deepEqual(counts(await stores.upload(csv)), [ROWS, ROWS, 0, 0]);
      assert.deepEqual(counts(await stores.upload(csv)), [ROWS, 0, ROWS, 0]);
      check(stores);
      const before = stores.events();
      const order = lines.filter((line) => line.startsWith("536365,"));
      const corrected = [...order.slice(1), order[0]!.replace(",6,", ",7,")];
      assert.deepEqual(counts(await stores.upload(fileOf(corrected), { mode: "replace" })), [
        order.length,
        1,
        order.length - 1,
        0,
      ]);
      const added = stores.events().slice(before.length);
      assert.deepEqual(
        added.map((event) => [event.order_id, event.order_version, event.lines!.length]),
        [["536365", 2, order.length]],
      );
      const old = before.find((event) => event.order_id === "536365")!;
      assert.equal(added[0]!.total_minor! - old.total_minor!, 255);
    },
  );

  within("half and then the whole", async (stores) => {
    assert.deepEqual(counts(await stores.upload(fileOf(lines.slice(0, half)))), [half, half, 0, 0]);
    assert.deepEqual(counts(await stores.upload(csv)), [ROWS, ROWS - half, half, 0]);
    check(stores);
  });

  within("the whole and then half", async (stores) => {
    await stores.upload(csv);
    assert.deepEqual(counts(await stores.upload(fileOf(lines.slice(half)))), [ROWS - half, 0, ROWS - half, 0]);
    check(stores);
  });

  within("a shuffled half and then all, shuffled otherwise", async (stores) => {
    const some = shuffled(lines, 7).slice(0, half);
    assert.deepEqual(counts(await stores.upload(fileOf(some))), [half, half, 0, 0]);
    assert.deepEqual(counts(await stores.upload(fileOf(shuffled(lines, 8)))), [ROWS, ROWS - half, half, 0]);
    check(stores);
  });

  within("two uploads of the whole at once", async (stores) => {
    const ids = [
      await stores.send(Buffer.from(csv)),
      await stores.send(Buffer.from(fileOf(shuffled(lines, 9)))),
    ] as ReceiptId[];
    stores.queue.length = 0;
    await Promise.all(
      ids.map((uploadId) =>
        stores.process(
          { uploadId },
          stores.context(() => 9e5),
        ),
      ),
    );
    const uploads = await Promise.all(ids.map(async (id) => (await stores.front.uploads.get(id))!));
    assert.equal(uploads[0]!.ledger!.accepted + uploads[1]!.ledger!.accepted, ROWS);
    assert.equal(uploads[0]!.ledger!.duplicate + uploads[1]!.ledger!.duplicate, ROWS);
    check(stores);
  });
});
