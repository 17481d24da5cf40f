/** Statements against answers in the shapes of Athena's API reference, over HTTP and the SDK's own client. */
import assert from "node:assert/strict";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, beforeEach, describe, it } from "node:test";
import { AthenaClient } from "@aws-sdk/client-athena";
import { TransientError } from "../ports.ts";
import { AthenaQueryEngine, QueryFailed } from "./query-engine.ts";

const TOKEN = "ebb-0123456789abcdef0123456789abcdef";

describe("statements of Athena's", () => {
  const calls: { readonly action: string; readonly body: Record<string, unknown> }[] = [];
  /** What the statement is at, one look after the other; the last stays. */
  let states: object[] = [];
  let server: Server;
  let client: AthenaClient;
  let nowMs = 0;
  const engine = () =>
    new AthenaQueryEngine(client, { workgroup: "analysts", database: "ebb", timeoutMs: 1_000, now: () => nowMs });
  before(async () => {
    server = createServer((request, response) => {
      void text(request).then((sent) => {
        const action = String(request.headers["x-amz-target"]).split(".")[1]!;
        calls.push({ action, body: JSON.parse(sent) as Record<string, unknown> });
        const state = () => ({ QueryExecution: { Status: states.length > 1 ? states.shift() : states[0] } });
        const answer: Record<string, () => object> = {
          StartQueryExecution: () => ({ QueryExecutionId: "query-1" }),
          GetQueryExecution: state,
          GetQueryResults: () => ({
            ResultSet: {
              ResultSetMetadata: { ColumnInfo: [{ Name: "n", Type: "bigint" }] },
              Rows: [{ Data: [{ VarCharValue: "n" }] }, { Data: [{ VarCharValue: "7" }] }],
            },
          }),
        };
        nowMs += 600;
        response.setHeader("content-type", "application/x-amz-json-1.1");
        response.end(JSON.stringify(answer[action]?.() ?? {}));
      });
    });
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    client = new AthenaClient({
      region: "us-east-1",
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
    });
  });
  after(() => {
    client.destroy();
    server.close();
  });
  beforeEach(() => {
    calls.length = 0;
  });
  const actions = () => calls.map(({ action }) => action);

  it("one that outlasts who waits for it runs on, and is answered by its id later", async () => {
    states = [{ State: "RUNNING" }];
    const id = await engine().begin("MERGE …", TOKEN);
    assert.deepEqual(
      [calls[0]?.body["QueryString"], calls[0]?.body["ClientRequestToken"], calls[0]?.body["WorkGroup"]],
      ["MERGE …", TOKEN, "analysts"],
    );
    assert.equal(await engine().answer(id, 0), undefined);
    assert.ok(!actions().includes("StopQueryExecution"));
    states = [{ State: "RUNNING" }, { State: "SUCCEEDED" }];
    assert.deepEqual((await engine().answer(id, 60_000))?.rows, [[7n]]);
    assert.equal(actions().filter((action) => action === "StartQueryExecution").length, 1);
  });

  it("one that somebody has no more time for is stopped, because it costs", async () => {
    states = [{ State: "RUNNING" }];
    await assert.rejects(engine().query("SELECT 1"), TransientError);
    assert.equal(actions().at(-1), "StopQueryExecution");
  });

  it("one that failed says why, and whether to try again", async () => {
    states = [{ State: "FAILED", StateChangeReason: "SYNTAX_ERROR" }];
    await assert.rejects(
      engine().answer("query-1", 0),
      (error) => error instanceof QueryFailed && /SYNTAX/.test(error.message),
    );
    states = [{ State: "FAILED", AthenaError: { Retryable: true, ErrorMessage: "busy" } }];
    await assert.rejects(engine().answer("query-1", 0), TransientError);
  });
});
