/** What a relational source promises, on a real server: loaded, changed while it is read, changed again, interrupted. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import type { RelationalSource } from "@ebb/functions/collect/sources";
import { type LoadContext, loadRows } from "@ebb/functions/collect/sources/load";
import type { LoadEnd } from "@ebb/ports/source-ports";
import { SourceProblem } from "@ebb/ports/source-ports";
import type { RelationalConnection } from "@ebb/ports/source-readers/connection";
import { MysqlReader } from "@ebb/ports/source-readers/mysql";
import { PostgresReader } from "@ebb/ports/source-readers/postgres";
import { answerOf, compare } from "./equal.ts";
import { type TestPorts, openPorts } from "./ports.ts";
import { cuttingProxy } from "./proxy.ts";
import type { Server } from "./servers.ts";
import { connectionOf, declared, makeShop } from "./shop.ts";

export interface Scale {
  readonly customers: number;
  readonly orders: number;
}

const SELECT = "SELECT id, customer_id, placed_at, total, status, note, updated_at FROM orders";
const COLUMNS = {
  order_id: "INTEGER",
  customer_key: "customer",
  occurred_at: "TIMESTAMP",
  total: "DECIMAL(12,2)",
  status: "VARCHAR",
  note: "VARCHAR",
  updated_at: "TIMESTAMP",
};

export const relationalJourney = (name: string, start: () => Promise<Server>, { customers, orders }: Scale): void => {
  void describe(`${name}: ${customers.toLocaleString("en")} customers, ${orders.toLocaleString("en")} orders`, () => {
    let server: Server;
    let ports: TestPorts;
    const folder = mkdtempSync(path.join(tmpdir(), "ebb-sources-"));
    const lake = path.join(folder, "lake");
    before(async () => {
      server = await start();
      await makeShop(server, customers, orders);
      ports = await openPorts(folder);
    });
    after(async () => {
      await ports.close();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    const readerOf = (connection: RelationalConnection) =>
      server.kind === "postgres" ? new PostgresReader(connection) : new MysqlReader(connection);
    const load = async (
      spec: RelationalSource,
      options: {
        readonly changes?: Partial<RelationalConnection>;
        readonly onProgress?: LoadContext["onProgress"];
      } = {},
    ): Promise<LoadEnd> => {
      const reader = readerOf(connectionOf(server, spec.name, options.changes));
      try {
        const end = await loadRows(ports, spec, reader, {
          owner: "test",
          remainingMs: () => Infinity,
          ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
        });
        return end!;
      } finally {
        await reader.close();
      }
    };
    const now = async (): Promise<Awaited<ReturnType<typeof answerOf>>> => await answerOf(server, SELECT, COLUMNS);
    const isEqual = async (answer: Awaited<ReturnType<typeof answerOf>>): Promise<number> => {
      const { rows, missing, added } = await compare(lake, "source_orders", answer);
      assert.deepEqual({ missing, added }, { missing: 0, added: 0 });
      return rows;
    };
    const seconds = (expression: string, count: number): string =>
      server.kind === "postgres"
        ? `${expression} + interval '${count} seconds'`
        : `${expression} + INTERVAL ${count} SECOND`;
    const clock = (): string => (server.kind === "postgres" ? "now()" : "UTC_TIMESTAMP(6)");

    void it("people: the lake knows pseudonyms and what is not personal; traits go to the profile store", async () => {
      await load(declared(server).customers.spec);
      const answer = await answerOf(server, "SELECT id, country, tier FROM customers", {
        customer_key: "customer",
        country: "VARCHAR",
        tier: "VARCHAR",
      });
      assert.deepEqual(await compare(lake, "source_customers", answer), { rows: customers, missing: 0, added: 0 });
      const profile = await ports.profiles.get(ports.pseudonyms.customer("7"));
      assert.deepEqual(
        [profile?.customerId, profile?.traits],
        ["7", { email: "c7@example.com", full_name: "Person 7" }],
      );
    });

    void it("what is committed while it is read is not seen by this load, and whole by the next", async () => {
      const { spec } = declared(server).orders;
      const first = await now();
      let changed = false;
      const end = await load(spec, {
        onProgress: async ({ parts }) => {
          if (parts !== 1 || changed) return;
          changed = true;
          const { id } = { id: orders };
          await server.run(`
            UPDATE orders SET total = total + 1, updated_at = ${clock()} WHERE id % 1000 = 1;
            DELETE FROM orders WHERE id % 5000 = 2;
            INSERT INTO orders VALUES (${id + 1}, 1, ${clock()}, 10.00, 'paid', NULL, ${clock()})`);
        },
      });
      assert.equal(changed, true);
      assert.equal(await isEqual(first), orders);
      assert.equal(end.counts.events, orders);

      const second = await load(spec);
      await isEqual(await now());
      const [updated, deleted] = [Math.ceil(orders / 1000), Math.ceil((orders - 1) / 5000)];
      assert.deepEqual(
        second.tables?.map(({ inserted, updated: u, deleted: d }) => [inserted, u, d]),
        [[1, updated, deleted]],
      );
      assert.equal(second.counts.events, updated + deleted + 1, "each change is one event, and nothing else is");
    });

    void it("orders that the events tell of add up to what the database says", async () => {
      const latest = new Map<string, { version: number; minor: number }>();
      for (const event of ports.events) {
        const old = latest.get(event.order_id!);
        if (old === undefined || old.version < event.order_version!)
          latest.set(event.order_id!, {
            version: event.order_version!,
            minor: event.kind === "order_cancelled" ? 0 : event.reporting_minor!,
          });
      }
      const told = [...latest.values()].reduce((sum, { minor }) => sum + minor, 0);
      const answer = await answerOf(server, "SELECT sum(total) * 100 FROM orders WHERE status <> 'cancelled'", {});
      const { readFileSync } = await import("node:fs");
      assert.equal(told, Number(readFileSync(answer.file, "utf8")));
    });

    void it("a commit that comes late and a clock that runs ahead lose nothing within the overlap", async () => {
      const { spec } = declared(server).orders;
      // Written with an hour that has not come, and a time before the newest that was seen.
      await server.run(`
        UPDATE orders SET note = 'ahead', updated_at = ${seconds(clock(), 3600)} WHERE id = 10;
        UPDATE orders SET note = 'now', updated_at = ${clock()} WHERE id = 11`);
      await load(spec);
      await isEqual(await now());
      await server.run(`
        UPDATE orders SET note = 'late', updated_at = ${seconds(clock(), -540)} WHERE id = 12;
        UPDATE orders SET note = 'after the one ahead', updated_at = ${clock()} WHERE id = 13`);
      const end = await load(spec);
      await isEqual(await now());
      assert.deepEqual(
        end.tables?.map(({ inserted, updated, deleted }) => [inserted, updated, deleted]),
        [[0, 2, 0]],
      );
      const again = await load(spec);
      assert.deepEqual(
        [again.counts.events, again.counts.read > 0],
        [0, true],
        "rows of the overlap are read again and say nothing",
      );
    });

    void it("a load whose process is killed goes on behind its last checkpoint; nothing is loaded twice", async () => {
      const { spec } = declared(server, {
        mode: "snapshot",
        watermark: undefined,
        deletion: "none",
        page: Math.max(100, Math.floor(orders / 8)),
      }).orders;
      await server.run("UPDATE orders SET total = total + 2 WHERE id % 500 = 3");
      const argument = JSON.stringify({ folder, kind: server.kind, connection: connectionOf(server, spec.name), spec });
      const child = spawn(
        process.execPath,
        ["--disable-warning=ExperimentalWarning", path.join(import.meta.dirname, "load-process.ts"), argument],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      let told = "";
      for await (const chunk of child.stdout) {
        told += String(chunk);
        if (told.includes("4\n")) child.kill("SIGKILL");
      }
      if (child.signalCode === null && child.exitCode === null) await once(child, "exit");
      assert.equal(child.signalCode, "SIGKILL");
      const stopped = (await ports.sources.get("orders"))?.underWay;
      assert.ok(stopped !== undefined && stopped.parts >= 4);
      const before = ports.repeated();
      // The lease of the process that was killed has not run out.
      await ports.sources.lease("orders", "process", 0, Date.now());
      const end = await load(spec);
      await isEqual(await now());
      assert.equal(end.attempts, 2);
      assert.ok(end.counts.read <= orders + 1, "no row was read twice");
      assert.equal(ports.repeated(), before);
    });

    const failing = async (
      spec: RelationalSource,
      code: string,
      says: RegExp,
      changes: Partial<RelationalConnection> = {},
    ): Promise<void> => {
      const failed = ports.counted.get("SourceLoadsFailed") ?? 0;
      await assert.rejects(load(spec, { changes }), (error: unknown) => {
        assert.ok(error instanceof SourceProblem, String(error));
        assert.equal(error.code, code);
        assert.match(error.message, /^Source "orders": /);
        assert.match(error.message, says);
        assert.doesNotMatch(error.message, /a password of the test/);
        return true;
      });
      assert.equal(ports.counted.get("SourceLoadsFailed"), failed + 1, "an alarm's metric");
    };

    void it("a wrong password, no TLS that can be trusted and a lost network say so; readers keep the table they had", async () => {
      const { spec } = declared(server).orders;
      await load(spec);
      const before = await now();
      await failing(spec, "access", /refused the user ebb_reader/, { password: "not the password" });
      await failing(spec, "tls", /certificate that can be trusted/, { tls: { mode: "verify" } });
      const whole = {
        ...spec,
        mode: "snapshot" as const,
        watermark: undefined,
        page: Math.max(100, Math.floor(orders / 4)),
      };
      await server.run("UPDATE orders SET total = total + 3");
      const proxy = await cuttingProxy(server.port, orders * 30);
      await failing(whole, "unreachable", /connection to 127\.0\.0\.1 failed or was lost/, { port: proxy.port });
      await proxy.close();
      await isEqual(before);
      await load(whole);
      await isEqual(await now());
    });

    void it("a dropped field, another type and a renamed table name the source and the field; readers keep the table they had", async () => {
      const { spec } = declared(server).orders;
      await load(spec);
      const before = await now();
      await server.run(
        server.kind === "postgres"
          ? "ALTER TABLE orders ALTER total TYPE numeric(14,3)"
          : "ALTER TABLE orders MODIFY total decimal(14,3) NOT NULL",
      );
      await failing(spec, "type_changed", /field total was .*\(12,2\) and is now .*\(14,3\)/);
      await isEqual(before);
      await server.run("ALTER TABLE orders RENAME COLUMN note TO remark");
      await failing(spec, "no_field", /has no field note/);
      await server.run("ALTER TABLE orders RENAME TO purchases");
      await failing(spec, "no_table", /table orders is not there/);
      await isEqual(before);
      assert.equal((await ports.sources.get("orders"))?.underWay, undefined);
    });
  });
};
