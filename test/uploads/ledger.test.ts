/** What the ledger and the events of uploads promise: whatever the order, the halves, the repeats, the stops. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ReceiptId } from "@ebb/core/ids";
import type { StreamEvent } from "@ebb/core/stream-event";
import { withoutLines } from "@ebb/functions/score/read-events";
import { TransientError } from "@ebb/ports";
import { folded, sorted } from "./folded.ts";
import { openStores } from "./stores.ts";

const header = "order_id,customer_id,ordered_at,sku,quantity,unit_price";
/** Few orders, customers, products and days, so that rows repeat and orders come apart. */
const rowOf = fc
  .tuple(
    fc.integer({ min: 1, max: 6 }),
    fc.constantFrom("ann", "bob"),
    fc.integer({ min: 1, max: 3 }),
    fc.constantFrom("p", "q"),
    fc.integer({ min: -2, max: 5 }),
  )
  .map(([order, customer, day, sku, quantity]) => `${order},${customer},2020-01-0${day},${sku},${quantity},1.25`);
const file = fc.array(rowOf, { minLength: 1, maxLength: 30 });
const csv = (rows: readonly string[]): string => [header, ...rows].join("\n");

/** The newest snapshot of each order, by a plain map. */
const statesOf = (events: readonly StreamEvent[]): Map<string, string> => {
  const newest = new Map<string, StreamEvent>();
  for (const event of events) {
    const key = `${event.customer_key} ${event.order_id}`;
    if ((newest.get(key)?.order_version ?? 0) < event.order_version!) newest.set(key, event);
  }
  return new Map(
    [...newest].map(([key, event]) => [key, `${event.total_minor} at ${event.occurred_at} of ${event.lines!.length}`]),
  );
};

/** Straight from the rows: of equal rows an order has as many as the file that has the most. */
const plainStates = (files: readonly (readonly string[])[]): Map<string, string> => {
  const counts = new Map<string, number>();
  for (const rows of files) {
    const own = new Map<string, number>();
    for (const row of rows) own.set(row, (own.get(row) ?? 0) + 1);
    for (const [row, count] of own) counts.set(row, Math.max(counts.get(row) ?? 0, count));
  }
  const orders = new Map<string, { total: number; first: string; lines: number }>();
  for (const [row, count] of counts) {
    const [order, customer, day, , quantity] = row.split(",");
    const state = orders.get(`${customer} ${order}`) ?? { total: 0, first: "9", lines: 0 };
    state.total += count * Number(quantity) * 125;
    state.first = day! < state.first ? day! : state.first;
    state.lines += count;
    orders.set(`${customer} ${order}`, state);
  }
  return new Map(
    [...orders].map(([key, { total, first, lines }]) => [key, `${total} at ${first}T00:00:00.000Z of ${lines}`]),
  );
};

test("any files in any order leave the orders that a plain count of their rows gives, and every ledger balances", async () => {
  const stores = await openStores();
  let run = 0;
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(file, { minLength: 1, maxLength: 4 }), async (files) => {
        // One set of stores for all runs: each run has orders of its own.
        const prefix = `r${run++}-`;
        const named = files.map((rows) => rows.map((row) => prefix + row));
        for (const rows of named) {
          const { ledger } = await stores.upload(csv(rows));
          assert.equal(ledger!.received, rows.length);
          assert.equal(ledger!.accepted + ledger!.duplicate + ledger!.quarantined, rows.length);
        }
        const again = await stores.upload(csv([...named[0]!].reverse()));
        assert.deepEqual([again.ledger!.accepted, again.ledger!.duplicate], [0, named[0]!.length]);
        const customers = new Map(["ann", "bob"].map((id) => [stores.ports.pseudonyms.customer(id) as string, id]));
        const found = [...statesOf(stores.events().filter((event) => event.order_id!.startsWith(prefix)))].map(
          ([key, state]): [string, string] => [key.replace(/^\S+/, (id) => customers.get(id)!), state],
        );
        assert.deepEqual(sorted(new Map(found)), sorted(plainStates(named)));
      }),
      { seed: 4, numRuns: 25 },
    );
  } finally {
    stores.close();
  }
});

/** Ports whose calls may fail or whose process may end: the n-th effect throws, before it happened or after. */
const dying = <Port extends object>(
  port: Port,
  names: readonly string[],
  die: () => "before" | "after" | undefined,
): Port =>
  new Proxy(port, {
    get: (target, name) => {
      const member = Reflect.get(target, name) as unknown;
      if (typeof member !== "function") return member;
      const call = (member as (...parameters: unknown[]) => Promise<unknown>).bind(target);
      if (!names.includes(String(name))) return call;
      return async (...parameters: unknown[]) => {
        const when = die();
        if (when === "before") throw new TransientError("the process ended before the call");
        const result = await call(...parameters);
        if (when === "after") throw new TransientError("the process ended after the call");
        return result;
      };
    },
  });

test("a stop before or after any effect changes neither the ledger nor the orders", async () => {
  const { make } = await import("@ebb/functions/collect/process-upload");
  const rows = Array.from({ length: 40 }, (_, n) => `${n % 7},ann,2020-01-0${1 + (n % 3)},p${n % 5},${n % 4},1.25`);
  rows.splice(5, 0, "broken");
  const first = csv(rows.slice(0, 25));
  const calm = await openStores();
  const expectedFirst = (await calm.upload(first)).ledger;
  const expected = (await calm.upload(csv(rows))).ledger;
  const expectedStates = sorted(statesOf(calm.events()));
  calm.close();

  for (let at = 1; ; at++) {
    let effects = 0;
    for (const when of ["before", "after"] as const) {
      const stores = await openStores();
      const die = () => (++effects === at ? when : undefined);
      effects = 0;
      const ports = {
        ...stores.ports,
        log: dying(stores.ports.log, ["append"], die),
        orderBook: dying(stores.ports.orderBook, ["write"], die),
        uploads: dying(stores.ports.uploads, ["put"], die),
        objects: dying(stores.ports.objects, ["put", "delete"], die),
      };
      assert.deepEqual((await stores.upload(first)).ledger, expectedFirst);
      const id = (await stores.send(Buffer.from(csv(rows)))) as ReceiptId;
      stores.queue.length = 0;
      const run = make(ports);
      await run(
        { uploadId: id },
        stores.context(() => 9e5),
      ).catch((error: unknown) => assert.ok(error instanceof TransientError));
      await run(
        { uploadId: id },
        stores.context(() => 9e5),
      );
      assert.deepEqual((await stores.front.uploads.get(id))!.ledger, expected, `stopped ${when} effect ${at}`);
      assert.deepEqual(sorted(statesOf(stores.events())), expectedStates, `stopped ${when} effect ${at}`);
      const ledger = await stores.front.ledger.read(id);
      assert.deepEqual([ledger!.received, ledger!.quarantined], [expected!.received, expected!.quarantined]);
      stores.close();
    }
    if (effects < at) {
      assert.ok(at > 4, "every effect was stopped once");
      return;
    }
  }
});

test("a run whose time gets short goes on where it stopped, from the file or from the spool", async () => {
  // Some 6 MB, so that there are several partitions.
  const rows = Array.from(
    { length: 70_000 },
    (_, n) => `${n % 9_000},c${n % 9_000},2020-01-01T00:00:00Z,${"p".repeat(40)}${n},1,1`,
  );
  const whole = await openStores();
  const expected = await whole.upload(csv(rows));
  const expectedStates = sorted(folded(whole.events()));
  whole.close();
  const stores = await openStores();
  const id = (await stores.send(Buffer.from(csv(rows)))) as ReceiptId;
  let runs = 0;
  while (stores.queue.length > 0) {
    assert.ok(++runs < 100, "it comes to an end");
    let asked = 0;
    const next = stores.queue.shift()!;
    // Each run is out of time a little later than the one before: in the first phase, between partitions.
    await stores.process(
      { uploadId: next },
      stores.context(() => (++asked > runs * 3 ? 0 : 9e5)),
    );
  }
  const upload = (await stores.front.uploads.get(id))!;
  assert.ok(runs > 3, `${runs} runs`);
  assert.deepEqual(upload.ledger, expected.ledger);
  assert.deepEqual(sorted(folded(stores.events())), expectedStates);
  const left: string[] = [];
  for await (const key of stores.front.objects.list("spool/")) left.push(key);
  assert.deepEqual(left, [], "the spool is removed");
  stores.close();
});

test("two uploads of overlapping rows at once give the union, and each row is accepted once", async () => {
  const stores = await openStores();
  const rows = Array.from({ length: 3_000 }, (_, n) => `${n % 500},c${n % 500},2020-01-01,p${n},1,1`);
  const one = (await stores.send(Buffer.from(csv(rows.slice(0, 2_000))))) as ReceiptId;
  const two = (await stores.send(Buffer.from(csv(rows.slice(1_000))))) as ReceiptId;
  stores.queue.length = 0;
  await Promise.all(
    [one, two].map((id) =>
      stores.process(
        { uploadId: id },
        stores.context(() => 9e5),
      ),
    ),
  );
  const ledgers = await Promise.all([one, two].map(async (id) => (await stores.front.uploads.get(id))!.ledger!));
  assert.equal(ledgers[0]!.accepted + ledgers[1]!.accepted, 3_000);
  assert.equal(ledgers[0]!.duplicate + ledgers[1]!.duplicate, 1_000);
  const customers = folded(stores.events());
  assert.equal(
    [...customers.values()].reduce((sum, { grossMinor }) => sum + grossMinor, 0),
    300_000,
  );
  stores.close();
});

test("one upload is worked by one run at a time, and an upload that is done is left alone", async () => {
  const stores = await openStores();
  const id = (await stores.send(Buffer.from(csv(["1,c,2020-01-01,p,1,1"])))) as ReceiptId;
  await stores.front.uploads.lease(id, "another run", 60_000, stores.ports.now());
  await assert.rejects(stores.drain(), TransientError);
  await stores.front.uploads.lease(id, "another run", 0, stores.ports.now());
  await stores.process(
    { uploadId: id },
    stores.context(() => 9e5),
  );
  const done = await stores.front.uploads.get(id);
  await stores.process(
    { uploadId: id },
    stores.context(() => 9e5),
  );
  assert.deepEqual(await stores.front.uploads.get(id), done);
  await stores.process(
    { uploadId: "upl_unknown" },
    stores.context(() => 9e5),
  );
  stores.close();
});

test("S3 says that content has arrived, by its key", async () => {
  const stores = await openStores();
  const made = await stores.post(JSON.stringify({ content: "upload_url" }), {}, { "content-type": "application/json" });
  const id = made.body["upload_id"] as ReceiptId;
  const { objectKey } = (await stores.front.uploads.get(id))!;
  await stores.process(
    { uploadId: id },
    stores.context(() => 9e5),
  );
  assert.equal((await stores.front.uploads.get(id))!.state, "awaiting_content");
  await stores.front.objects.put(objectKey, Buffer.from(csv(["1,c,2020-01-01,p,1,1"])));
  const event = { Records: [{ s3: { object: { key: encodeURIComponent(objectKey) } } }] } as never;
  await stores.process(
    event,
    stores.context(() => 9e5),
  );
  assert.equal((await stores.front.uploads.get(id))!.ledger?.accepted, 1);
  stores.close();
});

test("replace with a corrected order changes exactly that order", async () => {
  const stores = await openStores();
  const rows = Array.from({ length: 30 }, (_, n) => `${n % 10},c${n % 10},2020-01-01,p${n},1,2`);
  await stores.upload(csv(rows));
  const before = statesOf(stores.events());
  const { ledger } = await stores.upload(csv(["3,c3,2020-01-01,p3,1,2", "3,c3,2020-01-01,p99,5,2"]), {
    mode: "replace",
  });
  assert.deepEqual([ledger!.accepted, ledger!.duplicate], [1, 1]);
  const after = statesOf(stores.events());
  const changed = [...after].filter(([key, state]) => before.get(key) !== state);
  assert.deepEqual(
    changed.map(([key, state]) => [key.split(" ")[1], state]),
    [["3", "1200 at 2020-01-01T00:00:00.000Z of 2"]],
  );
  assert.equal(stores.events().length, 11);
  stores.close();
});

test("a write key sees the uploads of its own source alone, a read key all", async () => {
  const stores = await openStores();
  const mine = (await stores.post(csv(["1,c,2020-01-01,p,1,1"]))).body["upload_id"] as string;
  const other = { authorization: "Bearer write-other" };
  const theirs = (await stores.post(csv(["1,c,2020-01-01,p,1,1"]), {}, other)).body["upload_id"] as string;
  await stores.drain();
  assert.equal((await stores.get(theirs)).status, 404);
  assert.equal((await stores.get(mine)).status, 200);
  const ids = async (headers: Record<string, string>) =>
    ((await stores.list({}, headers)).body["uploads"] as { upload_id: string }[]).map((upload) => upload.upload_id);
  assert.deepEqual(await ids({}), [mine]);
  assert.deepEqual(await ids(other), [theirs]);
  assert.deepEqual(await ids({ authorization: "Bearer read-all" }), [theirs, mine]);
  // The same rows of another source are other rows.
  assert.equal(((await stores.get(theirs, other)).body["ledger"] as { accepted: number }).accepted, 1);
  stores.close();
});

test("originals are removed after seven days, when another upload is worked off", async () => {
  let now = Date.parse("2026-01-01T00:00:00Z");
  const stores = await openStores({ now: () => now });
  await stores.upload(csv(["1,c,2020-01-01,p,1,1"]));
  const originals = async () => {
    const keys: string[] = [];
    for await (const key of stores.front.objects.list("uploads/")) keys.push(key);
    return keys.length;
  };
  now += 6 * 86_400_000;
  await stores.upload(csv(["2,c,2020-01-01,p,1,1"]));
  assert.equal(await originals(), 2);
  now += 86_400_000;
  await stores.upload(csv(["3,c,2020-01-01,p,1,1"]));
  assert.equal(await originals(), 2);
  stores.close();
});

test("an order's lines come last in its event, where the score stage leaves them unread", async () => {
  const stores = await openStores();
  try {
    await stores.upload(csv(["1,ann,2020-01-01,p,2,1.25", "1,ann,2020-01-01,q,1,1.25"]));
    const lines = stores.lines();
    assert.equal(lines.length, 1);
    const whole = JSON.parse(lines[0]!.toString("utf8")) as StreamEvent;
    const { lines: all, ...rest } = whole;
    assert.deepEqual([all?.length, rest.receipt_number], [2, 0]);
    assert.deepEqual(JSON.parse(withoutLines(lines[0]!)), rest);
  } finally {
    stores.close();
  }
});
