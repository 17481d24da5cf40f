import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { BatchTable } from "@ebb/lake/batch-table";
import { segmentDaily } from "@ebb/lake/batch/segment-marts";
import { customerScores } from "@ebb/lake/model/customer-scores";
import { DuckDbJobRunner } from "@ebb/ports/embedded/job-runner";
import { DuckDbQueryEngine } from "@ebb/ports/embedded/query-engine";
import { EmbeddedRunStore } from "@ebb/ports/embedded/run-store";
import type { HttpHandler } from "../runtime/http.ts";
import { type Answer, send } from "../../../../test/support/http-event.ts";
import { succeeded } from "../../../../test/support/mart-lake.ts";
import { READ_KEY, memoryPorts } from "../../../../test/support/memory-ports.ts";
import { make } from "./customers.ts";

const CUSTOMERS = 250;
const keyOf = (at: number): string => `cus_${at.toString(16).padStart(32, "0")}`;

/** Many share their value, and every fifth has no probability. */
const scoresOf = (cutoff: string, net: string): BatchTable => ({
  ...customerScores,
  reads: [],
  sql: () => {
    const given: Record<string, string> = {
      customer_key: "printf('cus_%032x', range)",
      segment: "CASE WHEN range % 2 = 0 THEN 'Loyal' ELSE '=Lost, \"quoted\"' END",
      orders: "range % 4",
      net_minor: net,
      churn_probability: "CASE WHEN range % 5 > 0 THEN (range % 23) / 23.0 END",
      value_if_active_minor: "range % 10",
      last_order_at: "TIMESTAMP '2026-01-01 00:00:00.5' + INTERVAL (range % 30) HOUR",
      cutoff: `'${cutoff}'`,
    };
    const columns = Object.entries(customerScores.columns).map(([name]) => `${given[name] ?? "NULL"} AS ${name}`);
    return `SELECT ${columns.join(", ")} FROM range(${CUSTOMERS})`;
  },
});
const segmentsOf = (cutoff: string): BatchTable => ({
  ...segmentDaily,
  reads: [],
  sql: () => {
    const columns = Object.entries(segmentDaily.columns).map(([name]) =>
      name === "segment" ? "segment" : name === "cutoff" ? `'${cutoff}' AS cutoff` : `1 AS ${name}`,
    );
    return `SELECT ${columns.join(", ")} FROM (VALUES ('Loyal'), ('=Lost, "quoted"')) AS t(segment)`;
  },
});

let folder: string;
let queries: DuckDbQueryEngine;
let runs: EmbeddedRunStore;
let handler: HttpHandler;
before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "ebb-customers-"));
  await write("2026-06-01", "(range * 7) % 50 - 5");
  queries = await DuckDbQueryEngine.open({ folder: path.join(folder, "lake") });
  runs = new EmbeddedRunStore(folder);
  handler = make({ ...memoryPorts(), queries, runs });
});
/** What a run as of a day leaves behind. */
const write = async (asOf: string, net: string): Promise<void> => {
  const runner = await DuckDbJobRunner.open({
    folder: path.join(folder, "lake"),
    objectsFolder: path.join(folder, "objects"),
    now: Date.now,
  });
  const parameters = { cutoff: `${asOf}T00:00:00.000Z` };
  const writes = [scoresOf(asOf, net), segmentsOf(asOf)].map((table) => ({ table, parameters }));
  const id = await runner.start({ name: "t", writes }, asOf);
  for (let state = await runner.state(id); state.state !== "succeeded"; state = await runner.state(id)) {
    assert.equal(state.state, "running", JSON.stringify(state));
    await delay(5);
  }
  await runner.close();
};
after(async () => {
  queries.close();
  runs.close();
  await rm(folder, { recursive: true });
});

const get = (
  query: Record<string, string> = {},
  headers: Record<string, string> = {},
  name?: string,
): Promise<Answer> =>
  send(handler, name === undefined ? "/v1/customers" : `/v1/segments/${name}/customers`, "", {
    method: "GET",
    query,
    headers: { authorization: `Bearer ${READ_KEY}`, ...headers },
    ...(name === undefined ? {} : { pathParameters: { name } }),
  });

interface Row {
  readonly customer_key: string;
  readonly churn_probability?: number;
}
const rowsOf = ({ body }: Answer): Row[] => body["customers"] as Row[];

test("before the first run there is nobody, and the parameters are looked at all the same", async () => {
  const answer = await get();
  assert.deepEqual([answer.status, answer.body], [200, { currency: "EUR", customers: [] }]);
  assert.equal((await get({ sort: "shoe size" })).status, 400);
  await runs.put(succeeded("2026-06-01"));
});

for (const sort of ["churn", "loss", "value", "net", "lastOrder"])
  test(`pages by ${sort} hold every customer once, in one order, ties and absent values included`, async () => {
    const whole = rowsOf(await get({ sort, limit: "1000" })).map(({ customer_key: key }) => key);
    assert.equal(new Set(whole).size, CUSTOMERS);
    const paged: string[] = [];
    let cursor: string | undefined;
    do {
      const answer = await get({ sort, limit: "7", ...(cursor === undefined ? {} : { cursor }) });
      paged.push(...rowsOf(answer).map(({ customer_key: key }) => key));
      cursor = answer.body["cursor"] as string | undefined;
    } while (cursor !== undefined);
    assert.deepEqual(paged, whole);
  });

test("the least probability and the segment are kept to, the most likely to leave first", async () => {
  const rows = rowsOf(await get({ sort: "churn", minChurn: "0.5", segment: "Loyal", limit: "1000" }));
  const expected = Array.from({ length: CUSTOMERS }, (_, at) => at)
    .filter((at) => at % 2 === 0 && at % 5 > 0 && (at % 23) / 23 >= 0.5)
    .sort((a, b) => (b % 23) - (a % 23) || a - b);
  assert.deepEqual(
    rows.map(({ customer_key: key }) => key),
    expected.map(keyOf),
  );
});

test("what cannot be served is told with what can", async () => {
  for (const [query, said] of [
    [{ sort: "age" }, /churn, loss, value, net, lastOrder/],
    [{ colour: "red" }, /There are segment, sort, minChurn/],
    [{ limit: "0" }, /1 to 1000/],
    [{ minChurn: "2" }, /0 to 1/],
    [{ cursor: "nonsense" }, /not handed out/],
  ] as const) {
    const { status, body } = await get(query);
    assert.equal(status, 400, JSON.stringify(query));
    assert.match(String(body["detail"]), said);
  }
  const { status, body } = await get({}, {}, "Fans");
  assert.equal(status, 404);
  assert.match(String(body["detail"]), /Loyal/);
  // A cursor belongs to the order that it was handed out for.
  const { body: page } = await get({ sort: "net", limit: "5" });
  assert.equal((await get({ sort: "churn", cursor: page["cursor"] as string })).status, 400);
});

test("CSV says of when it is, quotes what it must, and runs nothing in a spreadsheet", async () => {
  const answer = await get({ limit: "3" }, { accept: "text/csv" }, '=Lost, "quoted"');
  assert.match(answer.headers["content-type"]!, /^text\/csv/);
  const [header, first] = answer.text.split("\r\n");
  assert.match(header!, /^customer_key,segment,.*,as_of$/);
  assert.match(first!, /^cus_[0-9a-f]{32},"'=Lost, ""quoted""",.*,2026-06-01$/);
  assert.match(answer.headers["link"]!, /cursor=.*rel="next"/);
});

test("an answer that the client has is not sent again, until the next run", async () => {
  const first = await get({ limit: "2" });
  const etag = first.headers["etag"]!;
  const again = await get({ limit: "2" }, { "if-none-match": etag });
  assert.deepEqual([again.status, again.text], [304, ""]);
  assert.equal((await get({ limit: "3" }, { "if-none-match": etag })).status, 200);
  const run = (await runs.get("2026-06-01"))!;
  await runs.put({ ...run, startedAtMs: 5 });
  assert.equal((await get({ limit: "2" }, { "if-none-match": etag })).status, 200);
});

test("a list that was begun goes on as it began when a new run has been, and a new one is of the new run", async () => {
  const whole = (await get({ sort: "net", limit: "1000" })).body["customers"] as object[];
  const first = await get({ sort: "net", limit: "100" });
  await write("2026-06-02", "range");
  await runs.put(succeeded("2026-06-02", 9));
  let page = first.body;
  const paged = [...(page["customers"] as object[])];
  while (page["cursor"] !== undefined) {
    page = (await get({ sort: "net", limit: "100", cursor: page["cursor"] as string })).body;
    assert.deepEqual([page["run_id"], page["as_of"]], ["2026-06-01", "2026-06-01T00:00:00.000Z"]);
    paged.push(...(page["customers"] as object[]));
  }
  assert.deepEqual(paged, whole);
  const anew = await get({ sort: "net", limit: "1" });
  assert.deepEqual([anew.body["as_of"], rowsOf(anew)[0]!.customer_key], ["2026-06-02T00:00:00.000Z", keyOf(249)]);
});

test("a list of a run that is not kept any more is to be begun anew", async () => {
  const cursor = Buffer.from(JSON.stringify(["net", "3", keyOf(1), "2020-01-01", "2020-01-01"])).toString("base64url");
  const { status, body } = await get({ cursor });
  assert.deepEqual([status, body["parameter"]], [400, "cursor"]);
  assert.match(String(body["detail"]), /as of 2020-01-01 is not kept any more/);
});
