/**
 * Rows of MySQL and MariaDB: keyset pages, streamed unbuffered, within one consistent-snapshot, read-only transaction.
 */
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import mysql from "mysql2";
import { type Page, type ReadPlan, type Row, type SourceField, SourceProblem } from "../source-ports.ts";
import {
  BLOCK_ROWS,
  CONNECT_TIMEOUT_MS,
  type RelationalConnection,
  isCertificateError,
  networkCodes,
} from "./connection.ts";
import type { Address, JdbcReader } from "./jdbc.ts";
import { mysqlJdbc } from "./mysql-jdbc.ts";
import { fieldOfMysql, mysqlExpression } from "./mysql-types.ts";
import { fromOf, pageSql, phaseOf } from "./sql-text.ts";

const { words } = mysqlJdbc;

/** A server that does not say goodbye is left after this. */
const CLOSE_MS = 2_000;

export class MysqlReader implements JdbcReader {
  readonly jdbc = mysqlJdbc;
  readonly #connection: RelationalConnection;
  readonly #fields = new Map<string, readonly SourceField[]>();
  #client: mysql.Connection | undefined;
  #lost: Error | undefined;
  /** What is being read: mysql2 tells it nothing when the connection is lost. */
  #reading: Readable | undefined;

  constructor(connection: RelationalConnection) {
    this.#connection = connection;
  }

  get address(): Address {
    const { password: _, ...address } = this.#connection;
    return address;
  }

  async describe(plan: ReadPlan): Promise<readonly SourceField[]> {
    return await this.#calling(plan, async () => {
      const list = plan.fields.map(words.name).join(", ");
      const [, packets] = await this.#query(`SELECT ${list} FROM ${fromOf(plan, words)} LIMIT 0`);
      const fields = plan.fields.map((name, index) => fieldOfMysql(name, packets[index]!));
      this.#fields.set(planId(plan), fields);
      return fields;
    });
  }

  async begin(plan: ReadPlan): Promise<{ readonly clock?: string }> {
    const fields = await this.describe(plan);
    return await this.#calling(plan, async () => {
      await this.#query("ROLLBACK");
      await this.#query("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ");
      await this.#query("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
      const watermark = fields.find(({ name }) => name === plan.watermark);
      if (watermark?.lake !== "timestamp" && watermark?.lake !== "date") return {};
      const zone = watermark.type === "timestamp" ? undefined : plan.timezone;
      const clock =
        zone === undefined ? "UTC_TIMESTAMP(6)" : `CONVERT_TZ(UTC_TIMESTAMP(6), '+00:00', ${words.value(zone)})`;
      const [rows] = await this.#query(`SELECT CAST(${clock} AS CHAR)`);
      return { clock: String(rows[0]![0]) };
    });
  }

  async before(plan: ReadPlan, watermark: string, overlap: number): Promise<string> {
    return await this.#calling(plan, async () => {
      const { lake } = (await this.describe(plan)).find(({ name }) => name === plan.watermark)!;
      const isTime = lake === "timestamp" || lake === "date";
      const value = words.value(watermark);
      const sql = isTime
        ? `CAST(CAST(${value} AS DATETIME(6)) - INTERVAL ${overlap} SECOND AS CHAR)`
        : `CAST(CAST(${value} AS DECIMAL(38,0)) - ${overlap} AS CHAR)`;
      const [rows] = await this.#query(`SELECT ${sql}`);
      return String(rows[0]![0]);
    });
  }

  async *page(plan: ReadPlan, page: Page): AsyncIterable<readonly Row[]> {
    let left = page.limit;
    const nullsFirst = plan.watermark !== undefined && (page.after === undefined || phaseOf(page.after) === "null");
    for (const phase of nullsFirst ? (["null", "rest"] as const) : (["rest"] as const)) {
      if (left <= 0) return;
      for await (const rows of this.#stream(plan, pageSql(plan, { ...page, limit: left }, phase, words))) {
        left -= rows.length;
        yield rows;
      }
    }
  }

  async *rowsOf(plan: ReadPlan, field: string, values: readonly string[]): AsyncIterable<readonly Row[]> {
    const list = values.map(words.value).join(", ");
    const order = [field, ...plan.key].map(words.name).join(", ");
    yield* this.#stream(plan, ` WHERE ${words.name(field)} IN (${list}) ORDER BY ${order}`);
  }

  async ask(plan: ReadPlan, select: string, where: string): Promise<Row> {
    return await this.#calling(plan, async () => {
      const [rows] = await this.#query(`SELECT ${select} FROM ${fromOf(plan, words)}${where}`);
      return rows[0]!;
    });
  }

  async *#stream(plan: ReadPlan, rest: string): AsyncIterable<Row[]> {
    const fields = this.#fields.get(planId(plan)) ?? (await this.describe(plan));
    const select = fields.map((field) => mysqlExpression(field, words.name(field.name), plan.timezone, words));
    if (plan.watermark !== undefined) select.push(`CAST(${words.name(plan.watermark)} AS CHAR)`);
    const sql = `SELECT ${select.join(", ")} FROM ${fromOf(plan, words)}${rest}`;
    try {
      const query = this.#client!.query({ sql, rowsAsArray: true, typeCast: (field) => field.string() });
      // One row an object costs a turn of the event loop each: they are handed on in blocks.
      let block: Row[] = [];
      this.#reading = query.stream({ highWaterMark: BLOCK_ROWS });
      if (this.#lost !== undefined) throw this.#lost;
      for await (const row of this.#reading) {
        block.push(row as Row);
        if (block.length < BLOCK_ROWS) continue;
        yield block;
        block = [];
      }
      if (block.length > 0) yield block;
    } catch (error) {
      throw this.#problem(plan, error);
    }
  }

  async #calling<T>(plan: ReadPlan, work: () => Promise<T>): Promise<T> {
    try {
      if (this.#client === undefined) await this.#connect();
      return await work();
    } catch (error) {
      throw this.#problem(plan, error);
    }
  }

  async #connect(): Promise<void> {
    const { host, port, database, user, password, tls } = this.#connection;
    const client = mysql.createConnection({
      host,
      port,
      database,
      user,
      ...(password === undefined ? {} : { password }),
      ...(tls.mode === "off"
        ? {}
        : { ssl: { rejectUnauthorized: true, verifyIdentity: true, ...(tls.ca === undefined ? {} : { ca: tls.ca }) } }),
      charset: "utf8mb4",
      connectTimeout: CONNECT_TIMEOUT_MS,
      enableKeepAlive: true,
      keepAliveInitialDelay: 10_000,
      stringifyObjects: true,
      // The server may ask for a file of this machine: nothing is ever sent.
      flags: ["-LOCAL_FILES"],
      multipleStatements: false,
    });
    const lost = (error?: Error): void => {
      this.#lost ??= error ?? Object.assign(new Error("Connection lost"), { code: "PROTOCOL_CONNECTION_LOST" });
      this.#reading?.destroy(this.#lost);
    };
    client.on("error", lost);
    client.on("end", lost);
    await new Promise<void>((resolve, reject) =>
      client.connect((error: Error | null) => (error === null ? resolve() : reject(error))),
    );
    this.#client = client;
    await this.#query("SET time_zone = '+00:00'");
  }

  #query(sql: string): Promise<[(readonly (string | null)[])[], readonly mysql.FieldPacket[]]> {
    return new Promise((resolve, reject) =>
      this.#client!.query({ sql, rowsAsArray: true, typeCast: (field) => field.string() }, (error, rows, fields) =>
        error === null ? resolve([rows as unknown as (string | null)[][], fields]) : reject(error),
      ),
    );
  }

  #problem(plan: ReadPlan, error: unknown): Error {
    if (error instanceof SourceProblem) return error;
    const { source, host, user, database } = this.#connection;
    const { code = "", message = String(error) } = (this.#lost ?? error) as { code?: string; message?: string };
    const problem = (
      kind: ConstructorParameters<typeof SourceProblem>[0],
      text: string,
      field?: string,
    ): SourceProblem => new SourceProblem(kind, source, text, { cause: error, field });
    const from = "table" in plan.from ? `table ${plan.from.table}` : "the query";
    if (code === "ER_ACCESS_DENIED_ERROR" || code === "ER_ACCESS_DENIED_NO_PASSWORD_ERROR")
      return problem("access", `the server at ${host} refused the user ${user}: wrong password, or not let in.`);
    if (code === "ER_DBACCESS_DENIED_ERROR" || code === "ER_BAD_DB_ERROR")
      return problem("access", `there is no database ${database} at ${host} that the user ${user} may read.`);
    if (code === "ER_TABLEACCESS_DENIED_ERROR" || code === "ER_COLUMNACCESS_DENIED_ERROR")
      return problem("access", `the user ${user} may not read ${from}.`);
    if (code === "ER_NO_SUCH_TABLE") return problem("no_table", `${from} is not there. Was it renamed?`);
    if (code === "ER_BAD_FIELD_ERROR") {
      const field = /Unknown column '(?:[^'.]+\.)*([^'.]+)'/.exec(message)?.[1];
      return problem(
        "no_field",
        `${from} has no field ${field ?? "of a declared name"}. Was it dropped or renamed?`,
        field,
      );
    }
    if (code === "HANDSHAKE_NO_SSL_SUPPORT" || isCertificateError(code, message))
      return problem(
        "tls",
        `no connection to ${host} by TLS with a certificate that can be trusted (${code === "" ? "not offered" : code}).`,
      );
    if (networkCodes.has(code) || /closed state|ER_SERVER_SHUTDOWN|Connection lost/i.test(`${code} ${message}`))
      return problem(
        "unreachable",
        `the connection to ${host} failed or was lost (${code === "" ? "no answer" : code}).`,
      );
    return error instanceof Error ? error : new Error(message);
  }

  async close(): Promise<void> {
    const client = this.#client;
    if (client === undefined) return;
    // A connection that was lost never answers.
    if (this.#lost === undefined)
      await Promise.race([
        new Promise<void>((resolve) => client.end(() => resolve())),
        delay(CLOSE_MS, undefined, { ref: false }),
      ]);
    client.destroy();
  }
}

const planId = ({ from, fields }: ReadPlan): string => JSON.stringify([from, fields]);
