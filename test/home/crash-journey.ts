/**
 * The journey of the crash tests: a home that is killed at random moments while producers send orders and files, and
 * the plain arithmetic of what must be there in the end.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { auditHome } from "@ebb/ports/embedded/audit";
import { DuckDbQueryEngine } from "@ebb/ports/embedded/query-engine";
import { type HomeProcess, spawnHome } from "../support/home-process.ts";

export interface CrashPlan {
  readonly seed: number;
  readonly kills: number;
  /** The longest that a home lives, milliseconds from ready to the kill. */
  readonly longestLifeMs: number;
  readonly fileOrders: number;
}

const CUSTOMERS = 30;
const BATCH = 25;
const LANES = 3;
const LINES = 4;

/** mulberry32: a small seeded generator of numbers in [0, 1). */
const random = (seed: number) => {
  let state = seed;
  return (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

interface Totals {
  orders: number;
  grossMinor: number;
}

class Expected {
  readonly #byCustomer = new Map<string, Totals>();
  orders = 0;

  add(customer: string, minor: number): void {
    const totals = this.#byCustomer.get(customer) ?? { orders: 0, grossMinor: 0 };
    totals.orders++;
    totals.grossMinor += minor;
    this.#byCustomer.set(customer, totals);
    this.orders++;
  }

  entries(): Iterable<[string, Totals]> {
    return this.#byCustomer;
  }
}

interface Answer {
  readonly receipt_id: string;
  readonly received: number;
  readonly appended: number;
  readonly quarantined: number;
}
interface LedgerLine extends Answer {
  readonly channel: string;
  readonly accepted?: number;
  readonly duplicate?: number;
}
interface UploadAnswer {
  readonly upload_id: string;
  readonly state: string;
  readonly ledger?: { received: number; accepted: number; duplicate: number; quarantined: number };
}

const totalMinor = (order: number): number => 100 + ((order * 37) % 9_000);

/** Every tenth batch holds an event that must be refused. */
const batchOf = (number: number, expected: Expected): string => {
  const batch: unknown[] = Array.from({ length: BATCH }, (_, index) => {
    const order = number * BATCH + index;
    const userId = `c${order % CUSTOMERS}`;
    expected.add(userId, totalMinor(order));
    return {
      type: "track",
      event: "Order Completed",
      messageId: `m-${order}`,
      userId,
      timestamp: new Date(Date.UTC(2026, 0, 1) + order * 60_000).toISOString(),
      properties: { order_id: `o-${order}`, total: totalMinor(order) / 100, currency: "EUR" },
    };
  });
  if (number % 10 === 0)
    batch.push({
      type: "track",
      event: "Order Completed",
      messageId: `bad-${number}`,
      userId: "c0",
      properties: { order_id: "x", total: 1, currency: "ZZZ" },
    });
  return JSON.stringify({ batch });
};

/** Lines of one order lie far apart; the last row must be refused. */
const fileOf = (number: number, orders: number, expected: Expected): string => {
  const rows = ["order_id,customer_id,ordered_at,product_id,quantity,unit_price,currency"];
  for (let line = 0; line < LINES; line++)
    for (let order = 0; order < orders; order++)
      rows.push(
        `f${number}-${order},f${order % CUSTOMERS},2026-02-03T04:05:06Z,p${line},${line + 1},${(totalMinor(order) / 100).toFixed(2)},EUR`,
      );
  rows.push(`f${number}-bad,f0,2026-02-03T04:05:06Z,p,1,1.00,ZZZ`);
  for (let order = 0; order < orders; order++) expected.add(`f${order % CUSTOMERS}`, totalMinor(order) * 10); // 1+2+3+4
  return rows.join("\n");
};

/** What a journey went through. */
export interface CrashFigures {
  readonly kills: number;
  readonly batches: number;
  readonly files: number;
  /** Orders over HTTP and in files that were acknowledged, each once in the end. */
  readonly orders: number;
}

/** Runs the plan and asserts all that must hold in the end. */
export const crashJourney = async (plan: CrashPlan): Promise<CrashFigures> => {
  const folder = await mkdtemp(path.join(tmpdir(), "ebb-crash-"));
  const next = random(plan.seed);
  const orders = new Expected();
  const files = new Expected();
  const acknowledged: Answer[] = [];
  const uploads: string[] = [];
  let batches = 0;
  let filesSent = 0;
  let home: HomeProcess | undefined = await spawnHome(folder);
  let finished = false;

  /** Sends until it is acknowledged, as a producer does: on an error the same bytes again. */
  const sent = async <T>(send: (home: HomeProcess) => Promise<Response>): Promise<T> => {
    for (;;) {
      const to = home;
      if (to !== undefined)
        try {
          const response = await send(to);
          if (response.ok) return (await response.json()) as T;
          assert.equal(response.status, 503, await response.text());
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error; // anything else is a connection that was cut
        }
      await delay(20);
    }
  };
  const post = (to: HomeProcess, address: string, type: string, body: string): Promise<Response> =>
    fetch(to.url + address, { method: "POST", headers: { "content-type": type, "x-write-key": to.writeKey }, body });

  const orderLane = async (): Promise<void> => {
    while (!finished) {
      const body = batchOf(batches++, orders);
      acknowledged.push(await sent<Answer>((to) => post(to, "/v1/batch", "application/json", body)));
    }
  };
  const fileLane = async (): Promise<void> => {
    while (!finished) {
      const body = fileOf(filesSent++, plan.fileOrders, files);
      const { upload_id: id } = await sent<UploadAnswer>((to) => post(to, "/v1/uploads", "text/csv", body));
      uploads.push(id);
      const done = async (): Promise<boolean> =>
        (
          await sent<UploadAnswer>((to) =>
            fetch(`${to.url}/v1/uploads/${id}`, { headers: { "x-write-key": to.writeKey } }),
          )
        ).state === "done";
      while (!finished && !(await done())) await delay(20);
    }
  };
  const killer = async (): Promise<void> => {
    try {
      for (let kill = 0; kill < plan.kills && !finished; kill++) {
        // Every second home lives until it has acknowledged something, however slow the machine is.
        const before = acknowledged.length;
        while (kill % 2 === 1 && !finished && acknowledged.length === before) await delay(20);
        await delay(next() * plan.longestLifeMs);
        const victim = home!;
        home = undefined;
        await victim.kill();
        home = await spawnHome(folder);
      }
    } finally {
      finished = true;
    }
  };
  try {
    await Promise.all([killer(), fileLane(), ...Array.from({ length: LANES }, orderLane)]);
    await home.control("settle");
    await home.control("flush");
    await check({ home, folder, orders, files, acknowledged, uploads, plan, batches, filesSent });
    assert.equal(await home.stop(), 0);
    home = undefined;
    await rm(folder, { recursive: true });
    return { kills: plan.kills, batches, files: filesSent, orders: orders.orders + files.orders };
  } finally {
    finished = true;
    await home?.kill();
  }
};

interface Outcome {
  readonly home: HomeProcess;
  readonly folder: string;
  readonly orders: Expected;
  readonly files: Expected;
  readonly acknowledged: readonly Answer[];
  readonly uploads: readonly string[];
  readonly plan: CrashPlan;
  readonly batches: number;
  readonly filesSent: number;
}

const check = async ({
  home,
  folder,
  orders,
  files,
  acknowledged,
  uploads,
  plan,
  batches,
  filesSent,
}: Outcome): Promise<void> => {
  const get = async <T>(address: string): Promise<T> => {
    const response = await fetch(home.url + address, { headers: { "x-write-key": home.readKey } });
    assert.equal(response.status, 200, `${address}: ${response.status}`);
    return (await response.json()) as T;
  };
  assert.equal(acknowledged.length, batches);
  assert.ok(batches >= Math.floor(plan.kills / 2), `${batches} batches were sent`);

  // Everything acknowledged is on the ledger as it was acknowledged, and balances.
  const ledger = new Map<string, LedgerLine>();
  for (let cursor: string | undefined = ""; cursor !== undefined;) {
    const page: { lines: LedgerLine[]; cursor?: string } = await get(
      `/v1/ledger?limit=200${cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`}`,
    );
    for (const line of page.lines) ledger.set(line.receipt_id, line);
    cursor = page.cursor;
  }
  for (const answer of acknowledged) {
    const line = ledger.get(answer.receipt_id);
    assert.ok(line !== undefined, `${answer.receipt_id} was acknowledged and is lost`);
    assert.deepEqual(
      [line.received, line.appended, line.quarantined],
      [answer.received, answer.appended, answer.quarantined],
    );
  }
  let accepted = 0;
  for (const line of ledger.values()) {
    if (line.channel !== "http") continue;
    assert.equal(line.received, line.appended + line.quarantined);
    assert.equal(line.appended, line.accepted! + line.duplicate!);
    accepted += line.accepted!;
  }
  assert.equal(accepted, orders.orders, "every order was accepted exactly once");

  // Every upload ends with a ledger that balances; a row that was sent twice counts once.
  const { uploads: listed } = await get<{ uploads: UploadAnswer[] }>("/v1/uploads?limit=200");
  for (const id of uploads)
    assert.ok(
      listed.some((upload) => upload.upload_id === id),
      `${id} was acknowledged and is lost`,
    );
  let rows = 0;
  for (const { upload_id: id, state, ledger: sums } of listed) {
    assert.equal(state, "done", id);
    assert.equal(sums!.received, plan.fileOrders * LINES + 1);
    assert.equal(sums!.received, sums!.accepted + sums!.duplicate + sums!.quarantined);
    assert.equal(sums!.quarantined, 1);
    rows += sums!.accepted;
  }
  assert.equal(rows, filesSent * plan.fileOrders * LINES, "every row was accepted exactly once");

  // Every customer is worth what plain addition says.
  for (const [id, totals] of [...orders.entries(), ...files.entries()]) {
    const customer = await get<{ orders: number; gross_minor: number }>(`/v1/customers/${id}`);
    assert.deepEqual({ orders: customer.orders, grossMinor: customer.gross_minor }, totals, id);
  }

  // The lake holds every event once.
  const lake = await DuckDbQueryEngine.open({ folder: path.join(folder, "lake") });
  try {
    const { rows: counts } = await lake.query(
      "select count(*), count(distinct event_id), count(distinct order_id) from raw_events",
    );
    const [events, distinct, orderIds] = counts[0]!.map(Number);
    assert.equal(events, distinct, "no event is in the lake twice");
    assert.equal(orderIds, orders.orders + files.orders, "no order is missing in the lake");
  } finally {
    lake.close();
  }

  // The home's own account, from the front door to the customer store, balances: ledger, log, lake and drift.
  const account = await auditHome(folder, Date.now());
  assert.deepEqual(account.findings, []);
  assert.ok(account.balanced);
};
