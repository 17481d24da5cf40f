/**
 * Rows of PostgreSQL: keyset pages by COPY … TO STDOUT within one repeatable-read, read-only transaction. COPY streams
 * with back-pressure as a cursor does and costs a third of its CPU here (`docs/decisions/0013-sources.md`).
 */
import pg from "pg";
import { type Page, type PageRows, type ReadPlan, type Row, type SourceField, SourceProblem } from "../source-ports.ts";
import { CONNECT_TIMEOUT_MS, type RelationalConnection, isCertificateError, networkCodes } from "./connection.ts";
import { CopyOut } from "./copy-out.ts";
import { copyRows } from "./copy-text.ts";
import type { Address, JdbcReader } from "./jdbc.ts";
import { postgresJdbc } from "./postgres-jdbc.ts";
import { describePostgres, selectText } from "./postgres-types.ts";
import { fromOf, pageSql, phaseOf } from "./sql-text.ts";

const { words } = postgresJdbc;

export class PostgresReader implements JdbcReader {
  readonly jdbc = postgresJdbc;
  readonly #connection: RelationalConnection;
  readonly #client: pg.Client;
  readonly #selects = new Map<string, string>();
  #connected: Promise<void> | undefined;
  #lost: Error | undefined;

  constructor(connection: RelationalConnection) {
    this.#connection = connection;
    const { host, port, database, user, password, tls } = connection;
    this.#client = new pg.Client({
      host,
      port,
      database,
      user,
      password,
      ssl: tls.mode === "off" ? false : { rejectUnauthorized: true, ...(tls.ca === undefined ? {} : { ca: tls.ca }) },
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      application_name: "ebb",
    });
    this.#client.on("error", (error) => (this.#lost ??= error)); // told by the call that meets it
  }

  get address(): Address {
    const { password: _, ...address } = this.#connection;
    return address;
  }

  async describe(plan: ReadPlan): Promise<readonly SourceField[]> {
    return await this.#calling(plan, async () => {
      const fields = await describePostgres(this.#client, fromOf(plan, words), plan.fields, this.#connection.source);
      this.#selects.set(planId(plan), selectText(fields, plan.timezone));
      return fields;
    });
  }

  async begin(plan: ReadPlan): Promise<{ readonly clock?: string }> {
    const fields = await this.describe(plan);
    return await this.#calling(plan, async () => {
      await this.#client.query("ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
      const watermark = fields.find(({ name }) => name === plan.watermark);
      const kind = watermark?.type ?? "";
      const clock = /^timestamp.* with time zone/.test(kind)
        ? "now()"
        : kind.startsWith("timestamp")
          ? `now() AT TIME ZONE ${words.value(plan.timezone ?? "UTC")}`
          : kind === "date"
            ? "current_date"
            : undefined;
      // The first statement is what the snapshot is taken for.
      const { rows } = await this.#client.query<{ clock: string }>(`SELECT (${clock ?? "1"})::text AS clock`);
      return clock === undefined ? {} : { clock: rows[0]!.clock };
    });
  }

  async before(plan: ReadPlan, watermark: string, overlap: number): Promise<string> {
    return await this.#calling(plan, async () => {
      const field = (await this.describe(plan)).find(({ name }) => name === plan.watermark)!;
      const isTime = /^(timestamp|date)/.test(field.type);
      const less = isTime ? `make_interval(secs => ${overlap})` : String(overlap);
      const text = `(${words.value(watermark)}::${field.type} - ${less})::${field.type}::text`;
      const { rows } = await this.#client.query<{ since: string }>(`SELECT ${text} AS since`);
      return rows[0]!.since;
    });
  }

  page(plan: ReadPlan, page: Page): PageRows {
    const rows = this.#page(plan, page);
    const isOnePhase = plan.watermark === undefined || (page.after !== undefined && phaseOf(page.after) === "rest");
    return isOnePhase
      ? Object.assign(rows, { asText: () => this.#text(plan, pageSql(plan, page, "rest", words)) })
      : rows;
  }

  async *#page(plan: ReadPlan, page: Page): AsyncGenerator<readonly Row[]> {
    let left = page.limit;
    const nullsFirst = plan.watermark !== undefined && (page.after === undefined || phaseOf(page.after) === "null");
    for (const phase of nullsFirst ? (["null", "rest"] as const) : (["rest"] as const)) {
      if (left <= 0) return;
      for await (const rows of this.#copy(plan, pageSql(plan, { ...page, limit: left }, phase, words))) {
        left -= rows.length;
        yield rows;
      }
    }
  }

  async *rowsOf(plan: ReadPlan, field: string, values: readonly string[]): AsyncIterable<readonly Row[]> {
    const list = values.map(words.value).join(", ");
    const order = plan.key.map(words.name).join(", ");
    yield* this.#copy(plan, ` WHERE ${words.name(field)} IN (${list}) ORDER BY ${words.name(field)}, ${order}`);
  }

  async ask(plan: ReadPlan, select: string, where: string): Promise<Row> {
    return await this.#calling(plan, async () => {
      const text = `SELECT ${select} FROM ${fromOf(plan, words)}${where}`;
      const { rows } = await this.#client.query<(string | null)[]>({ text, rowMode: "array" });
      return rows[0]!;
    });
  }

  async *#copy(plan: ReadPlan, rest: string): AsyncIterable<Row[]> {
    const sql = `COPY (${await this.#select(plan, rest)}) TO STDOUT`;
    try {
      yield* copyRows(this.#client.query(new CopyOut(sql)));
    } catch (error) {
      throw this.#problem(plan, error);
    }
  }

  async *#text(plan: ReadPlan, rest: string): AsyncIterable<Buffer> {
    const format = String.raw`FORMAT csv, DELIMITER E'\t', NULL E'\\N', QUOTE '"', ESCAPE '"'`;
    const sql = `COPY (${await this.#select(plan, rest)}) TO STDOUT (${format})`;
    try {
      yield* this.#client.query(new CopyOut(sql));
    } catch (error) {
      throw this.#problem(plan, error);
    }
  }

  async #select(plan: ReadPlan, rest: string): Promise<string> {
    if (!this.#selects.has(planId(plan))) await this.describe(plan);
    const raw = plan.watermark === undefined ? "" : `, ${words.name(plan.watermark)}::text`;
    return `SELECT ${this.#selects.get(planId(plan))!}${raw} FROM ${fromOf(plan, words)}${rest}`;
  }

  async #calling<T>(plan: ReadPlan, work: () => Promise<T>): Promise<T> {
    try {
      await (this.#connected ??= this.#connect());
      return await work();
    } catch (error) {
      throw this.#problem(plan, error);
    }
  }

  async #connect(): Promise<void> {
    await this.#client.connect();
    await this.#client.query("SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'");
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
    if (code === "28P01" || code === "28000")
      return problem(
        "access",
        `the database ${database} at ${host} refused the user ${user}: wrong password, or not let in.`,
      );
    if (code === "3D000") return problem("access", `there is no database ${database} at ${host}.`);
    if (code === "42501") return problem("access", `the user ${user} may not read ${from}.`);
    if (code === "42P01" || code === "3F000") return problem("no_table", `${from} is not there. Was it renamed?`);
    if (code === "42703") {
      const field = /column "?(?:[^".]+\.)?([^"]+?)"? does not exist/.exec(message)?.[1];
      return problem(
        "no_field",
        `${from} has no field ${field ?? "of a declared name"}. Was it dropped or renamed?`,
        field,
      );
    }
    if (
      code.startsWith("08") ||
      code.startsWith("57P") ||
      networkCodes.has(code) ||
      /Connection terminated|timeout expired|Client has encountered/i.test(message)
    )
      return problem(
        "unreachable",
        `the connection to ${host} failed or was lost (${code === "" ? "no answer" : code}).`,
      );
    if (isCertificateError(code, message))
      return problem(
        "tls",
        `no connection to ${host} by TLS with a certificate that can be trusted (${code === "" ? "not offered" : code}).`,
      );
    if (code === "22P02" || code === "22007" || code === "22008")
      return problem(
        "type_changed",
        `a value kept of the last load is none of the type that ${from} has now (${code}).`,
      );
    return error instanceof Error ? error : new Error(message);
  }

  async close(): Promise<void> {
    if (this.#connected !== undefined) await this.#client.end().catch(() => undefined);
  }
}

const planId = ({ from, fields }: ReadPlan): string => JSON.stringify([from, fields]);
