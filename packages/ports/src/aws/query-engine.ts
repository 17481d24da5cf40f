/** SQL on Athena: start, poll, page. Its answers are text; the column's type says what they were. */
import { setTimeout as sleep } from "node:timers/promises";
import type { AthenaClient } from "@aws-sdk/client-athena";
import {
  GetQueryExecutionCommand,
  StartQueryExecutionCommand,
  StopQueryExecutionCommand,
  paginateGetQueryResults,
} from "@aws-sdk/client-athena";
import { trino } from "@ebb/lake/dialect";
import type { QueryEngine, QueryResult, SqlValue } from "../ports.ts";
import { TransientError } from "../ports.ts";
import type { LongStatements } from "./begun-statements.ts";
import { calling } from "./errors.ts";

/** The first look comes soon, because small queries take about a second; later ones are at most 2 s apart. */
const FIRST_POLL_MS = 200;
const LONGEST_POLL_MS = 2_000;

/** The engine refused or gave up the query: its own words say why. */
export class QueryFailed extends Error {
  override readonly name = "QueryFailed";
}

/** A cell as the type of its column reads. Decimals and times stay text, which is exact. */
const valueOf = (text: string | undefined, type: string): SqlValue => {
  if (text === undefined) return null;
  switch (type) {
    case "boolean":
      return text === "true";
    case "tinyint":
    case "smallint":
    case "integer":
    case "int":
    case "float":
    case "real":
    case "double":
      return Number(text);
    case "bigint":
      return BigInt(text);
    default:
      return text;
  }
};

export class AthenaQueryEngine implements QueryEngine, LongStatements {
  readonly dialect = trino;
  readonly #client: AthenaClient;
  readonly #workgroup: string;
  readonly #database: string;
  readonly #timeoutMs: number;
  readonly #now: () => number;

  constructor(
    client: AthenaClient,
    {
      workgroup,
      database,
      timeoutMs,
      now,
    }: { workgroup: string; database: string; timeoutMs: number; now: () => number },
  ) {
    this.#client = client;
    this.#workgroup = workgroup;
    this.#database = database;
    this.#timeoutMs = timeoutMs;
    this.#now = now;
  }

  async query(sql: string): Promise<QueryResult> {
    const id = await this.#start(sql);
    if (!(await this.#isFinished(id, this.#timeoutMs))) {
      // It costs.
      await calling("stopping a query", () =>
        this.#client.send(new StopQueryExecutionCommand({ QueryExecutionId: id })),
      );
      throw new TransientError(`the query took longer than ${this.#timeoutMs / 1_000} s and was stopped`);
    }
    return this.#result(id);
  }

  async begin(sql: string, token: string): Promise<string> {
    return await this.#start(sql, token);
  }

  async answer(id: string, waitMs: number): Promise<QueryResult | undefined> {
    return (await this.#isFinished(id, waitMs)) ? await this.#result(id) : undefined;
  }

  async #start(sql: string, token?: string): Promise<string> {
    const { QueryExecutionId } = await calling("starting a query", () =>
      this.#client.send(
        new StartQueryExecutionCommand({
          QueryString: sql,
          WorkGroup: this.#workgroup,
          QueryExecutionContext: { Database: this.#database },
          ClientRequestToken: token,
        }),
      ),
    );
    return QueryExecutionId!;
  }

  /** False while it runs after `waitMs`. @throws QueryFailed, TransientError */
  async #isFinished(id: string, waitMs: number): Promise<boolean> {
    const deadlineMs = this.#now() + waitMs;
    for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(LONGEST_POLL_MS, pollMs * 1.5)) {
      const { QueryExecution } = await calling("asking for a query", () =>
        this.#client.send(new GetQueryExecutionCommand({ QueryExecutionId: id })),
      );
      const { State, StateChangeReason, AthenaError } = QueryExecution?.Status ?? {};
      if (State === "SUCCEEDED") return true;
      if (State === "FAILED" || State === "CANCELLED") {
        const reason = StateChangeReason ?? AthenaError?.ErrorMessage ?? "Athena gave no reason";
        if (AthenaError?.Retryable === true) throw new TransientError(reason);
        throw new QueryFailed(reason);
      }
      if (this.#now() >= deadlineMs) return false;
      await sleep(pollMs);
    }
  }

  async #result(id: string): Promise<QueryResult> {
    return calling("reading a query's answer", async () => {
      let columns: QueryResult["columns"] = [];
      const rows: SqlValue[][] = [];
      let header = true; // Athena's first row repeats the names of the columns
      for await (const { ResultSet } of paginateGetQueryResults({ client: this.#client }, { QueryExecutionId: id })) {
        columns = (ResultSet?.ResultSetMetadata?.ColumnInfo ?? []).map(({ Name, Type }) => ({
          name: Name ?? "",
          type: Type ?? "varchar",
        }));
        for (const { Data = [] } of ResultSet?.Rows ?? []) {
          if (!header) rows.push(columns.map(({ type }, index) => valueOf(Data[index]?.VarCharValue, type)));
          header = false;
        }
      }
      return { columns, rows };
    });
  }
}
