/** A customer's contacts with support, from a table that a source has filled, on the timeline. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { curatedActivity, curatedSocial } from "@ebb/lake/batch/curated";
import { orderFacts } from "@ebb/lake/batch/order-facts";
import { customerScores } from "@ebb/lake/model/customer-scores";
import type { Row, SourceTable } from "@ebb/ports/source-ports";
import { fillSource } from "../../../../test/support/filled-source.ts";
import { type MartLake, ask, filled, martLake } from "../../../../test/support/mart-lake.ts";
import { memoryPorts } from "../../../../test/support/memory-ports.ts";
import { parseSources } from "../collect/sources.ts";
import type { Catalogued } from "./catalogue/catalogued.ts";
import { make } from "./customer-timeline.ts";

const keyOf = (id: string) => memoryPorts().pseudonyms.customer(id);
const contacts = (name: string, more: object) => ({
  ...{ name, connection: "shop", maps: "support_contacts", table: name, key: ["id"], mode: "snapshot" },
  fields: { contact_id: "id", customer_id: "who", occurred_at: "at", ...more },
});
const sources = parseSources({
  connections: { shop: { kind: "postgres", host: "127.0.0.1", database: "shop", user: "reader" } },
  sources: [contacts("tickets", { channel: "via", topic: "about" }), contacts("calls", {}), contacts("never", {})],
});
const tickets: SourceTable = {
  name: "source_tickets",
  columns: [
    { name: "contact_id", type: "int" },
    { name: "customer_key", type: "string" },
    { name: "occurred_at", type: "timestamp" },
    { name: "channel", type: "string" },
    { name: "topic", type: "int" },
  ],
  key: ["contact_id"],
};
/** A team's times may be text, some of it none. */
const calls: SourceTable = {
  name: "source_calls",
  columns: [...tickets.columns.slice(0, 2), { name: "occurred_at", type: "string" }],
  key: ["contact_id"],
};

const nobody = { customer_key: keyOf("nobody"), event_id: "evt_1", occurred_at: "2026-05-01 10:00:00" };
let lake: MartLake;
let loadedAtMs = 1;
const load = async (table: SourceTable, ...rows: Row[]): Promise<void> => {
  loadedAtMs += 1;
  await fillSource(lake.folder, table, rows);
};
before(async () => {
  lake = await martLake("2026-06-01", [
    filled(orderFacts, [{ ...nobody, entry: "order" }]),
    filled(curatedActivity, [{ ...nobody, kind: "product_viewed" }]),
    filled(curatedSocial, [{ ...nobody, kind: "social_mentioned" }]),
    filled(customerScores, [{ ...nobody, cutoff: "2026-06-01" }]),
  ]);
  await load(
    tickets,
    ["1", keyOf("ada"), "2026-05-01 10:00:00", "mail", "7"],
    ["2", keyOf("ada"), "2026-05-03 10:00:00.5", null, null],
    ["3", keyOf("bob"), "2026-05-04 10:00:00", "mail", null],
    ["4", null, "2026-05-05 10:00:00", "mail", null],
  );
  await load(calls, ["1", keyOf("ada"), "2026-05-02 09:00:00"], ["2", keyOf("ada"), "at noon"]);
});
after(() => lake.close());

const filledTables = new Map([tickets, calls].map(({ name, columns }) => [name, columns]));
const catalogued = async (): Promise<Catalogued> => ({
  sources,
  columnsOf: async (table) => {
    const columns = filledTables.get(table);
    return columns && Object.fromEntries(columns.map(({ name, type }) => [name, type]));
  },
  loadedAtMs: async () => loadedAtMs,
});
const timeline = (id: string, headers: Record<string, string> = {}, ports: object = { catalogued }) =>
  ask(make({ ...lake.ports, ...ports }), `/v1/customers/${id}/timeline`, {}, { pathParameters: { id }, headers });

test("contacts stand on the customer's timeline with what they were about; their number and the last are told", async () => {
  const { body } = await timeline("ada");
  assert.deepEqual(body["entries"], [
    { at: "2026-05-03T10:00:00.500Z", kind: "support", title: "contact" },
    { at: "2026-05-02T09:00:00.000Z", kind: "support", title: "contact" },
    { at: "2026-05-01T10:00:00.000Z", kind: "support", title: "mail: 7" },
  ]);
  assert.deepEqual(body["support"], { contacts: 4, last_at: "2026-05-03T10:00:00.500Z" }, "one is of no known time");
  assert.deepEqual((await timeline("bob")).body["support"], { contacts: 1, last_at: "2026-05-04T10:00:00.000Z" });
  assert.deepEqual((await timeline("eve")).body["support"], { contacts: 0 });
});

test("an answer that is kept is known until the next load", async () => {
  const { headers } = await timeline("bob");
  const known = { "if-none-match": String(headers["etag"]) };
  assert.equal((await timeline("bob", known)).status, 304);
  await load(tickets, ["9", keyOf("bob"), "2026-05-09 10:00:00", "chat", null]);
  const { status, body } = await timeline("bob", known);
  assert.deepEqual([status, body["support"]], [200, { contacts: 1, last_at: "2026-05-09T10:00:00.000Z" }]);
});

test("where nobody tells of contacts, nothing is said of them", async () => {
  const { status, body } = await timeline("ada", {}, {});
  assert.deepEqual([status, body["entries"], "support" in body], [200, [], false]);
});
