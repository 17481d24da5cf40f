/** The statement of docs/operations.md that settles a receipt in AWS, against a loop over what came. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";

const docs = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
const [, statement] = /```sql\n(WITH landed AS .*?)\n```/s.exec(docs) ?? [];

let connection: DuckDBConnection;
before(async () => {
  connection = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
  await connection.run(
    "CREATE TABLE raw_events (event_id VARCHAR, receipt_id VARCHAR, receipt_number BIGINT, received_at TIMESTAMP)",
  );
});
after(() => connection.closeSync());

/** Requests in the order in which they came, each with the events that it brought; and how often each has landed. */
const requests = fc.array(
  fc.array(fc.record({ event: fc.nat(6), landings: fc.integer({ min: 1, max: 3 }) }), { minLength: 1, maxLength: 5 }),
  {
    minLength: 1,
    maxLength: 6,
  },
);

test("appended = accepted + duplicate of every receipt, however often its events landed and came before", async () => {
  assert.ok(statement !== undefined && statement.includes("'rcp_…'"), "the statement stands in docs/operations.md");
  await fc.assert(
    fc.asyncProperty(requests, async (came) => {
      const rows = came.flatMap((events, second) =>
        events.flatMap(({ event, landings }, number) =>
          Array.from(
            { length: landings },
            () => `('evt_${event}', 'rcp_${second}', ${number}, TIMESTAMP '2026-01-01 00:00:0${second}')`,
          ),
        ),
      );
      await connection.run(`DELETE FROM raw_events; INSERT INTO raw_events VALUES ${rows.join(", ")}`);
      const seen = new Set<number>();
      for (const [second, events] of came.entries()) {
        let duplicate = 0;
        for (const { event } of events) {
          if (seen.has(event)) duplicate++;
          seen.add(event);
        }
        const answer = await connection.runAndReadAll(statement.replace("rcp_…", `rcp_${second}`));
        assert.deepEqual(answer.getRows(), [
          [`rcp_${second}`, BigInt(events.length), BigInt(events.length - duplicate), BigInt(duplicate)],
        ]);
      }
    }),
    { numRuns: 60, seed: 20_261_122 },
  );
});
