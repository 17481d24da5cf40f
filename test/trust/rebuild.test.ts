/** The customer store rebuilt from the lake is the live one, whatever the order in which the events came. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import type { KinesisStreamEvent } from "aws-lambda";
import type { StreamEvent } from "@ebb/core/stream-event";
import { recordInProcess } from "@ebb/functions/runtime/stream-records";
import { make as foldOrders } from "@ebb/functions/score/fold-orders";
import { compareWithLive, rebuildCustomers } from "@ebb/home/rebuild";
import { sequenceNumberOf } from "@ebb/home/stream-consumer";
import { EmbeddedMetrics } from "@ebb/ports/embedded";
import { EmbeddedCustomerStore } from "@ebb/ports/embedded/customer-store";
import { EmbeddedEventLog } from "@ebb/ports/embedded/event-log";
import { LakeWriter } from "@ebb/ports/embedded/lake-writer";
import { LogReader } from "@ebb/ports/embedded/log-reader";
import { digest } from "@ebb/core/ids";

const root = await mkdtemp(path.join(tmpdir(), "ebb-rebuild-"));
after(() => rm(root, { recursive: true, force: true }));

interface Step {
  readonly kind: "order_completed" | "order_updated" | "order_refunded" | "order_cancelled";
  readonly customer: number;
  readonly order: number;
  readonly minor: number;
  readonly day: number;
  readonly rank: 1 | 2;
  readonly full: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("order_completed", "order_completed", "order_updated", "order_refunded", "order_cancelled"),
  customer: fc.integer({ min: 0, max: 3 }),
  order: fc.integer({ min: 0, max: 4 }),
  minor: fc.integer({ min: 0, max: 5_000 }),
  day: fc.integer({ min: 0, max: 200 }),
  rank: fc.constantFrom(1, 2),
  full: fc.boolean(),
});

const eventOf = (s: Step, number: number): StreamEvent => {
  const at = new Date(Date.UTC(2026, 0, 1) + s.day * 86_400_000).toISOString();
  return {
    event_id: `evt_${digest("step", number)}`,
    kind: s.kind,
    name: s.kind,
    source: "shop",
    schema_version: 1,
    occurred_at: at,
    received_at: at,
    receipt_id: "rcp_1",
    receipt_number: number,
    customer_key: `cus_${digest("customer", s.customer)}`,
    order_id: `o-${s.order}`,
    ...(s.kind === "order_refunded"
      ? { refund_id: `r-${number % 3}`, full_refund: s.full }
      : { order_rank: s.rank, ...(s.rank === 1 ? { order_version: 1 + (number % 4) } : {}) }),
    currency: "EUR",
    total_minor: s.minor,
    reporting_currency: "EUR",
    reporting_minor: s.minor,
  };
};

let histories = 0;
const nobody = { version: "", size: 0, has: () => false, find: () => undefined };

test("for any small history the rebuilt store equals the live one in every field, landed in part or whole", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), fc.nat(40), async (steps, landedSteps) => {
      const home = path.join(root, `history-${histories++}`);
      const events = steps.map(eventOf);
      const log = new EmbeddedEventLog(home);
      for (const [index, event] of events.entries())
        await log.append(
          {
            receiptId: `rcp_${index}` as never,
            part: 0,
            channel: "http",
            source: "shop",
            received: 1,
            quarantined: 0,
            receivedAtMs: 0,
          },
          [{ eventId: event.event_id, partitionKey: "", json: JSON.stringify(event) }],
          [],
        );
      const reader = new LogReader(home);
      const records = reader.read(0, 1_000, 10_000_000);

      const live = new EmbeddedCustomerStore(home);
      const metrics = new EmbeddedMetrics();
      const fold = foldOrders({
        now: () => 0,
        customers: live,
        metrics,
        suppressions: { current: () => nobody },
      } as never);
      await fold({
        Records: records.map(({ seq, data }) => ({
          kinesis: recordInProcess(
            {
              kinesisSchemaVersion: "1.0",
              partitionKey: "",
              sequenceNumber: sequenceNumberOf(seq),
              approximateArrivalTimestamp: 0,
            },
            data,
          ),
        })),
      } as unknown as KinesisStreamEvent);
      await live.saveOffset("score", records.at(-1)!.seq);
      live.close();

      const writer = await LakeWriter.open({
        ...{ folder: path.join(home, "lake"), bufferMb: 64, bufferSeconds: 60, compression: "SNAPPY", metrics },
        quarantine: { put: () => Promise.reject(new Error("an event was not landed")) },
        now: () => 0,
      });
      await writer.add(records.slice(0, 1 + (landedSteps % records.length)));
      await writer.flush();
      await writer.close();
      reader.close();
      log.close();

      const target = path.join(home, "rebuilt");
      await rebuildCustomers(home, target);
      const compared = await compareWithLive(home, target);
      assert.deepEqual(compared.differing, []);
      assert.equal(compared.customers, new Set(steps.filter((s) => s !== undefined).map((s) => s.customer)).size);
      await rm(home, { recursive: true });
    }),
    { numRuns: 6, seed: 7 },
  );
});
