/** What the handlers over the marts share: the key, the run whose figures they are, and an answer that may be kept. */
import { createHash } from "node:crypto";
import type { Ports, QueryEngine, Run, SqlValue, SuppressionList } from "@ebb/ports";
import { isKnown } from "../../runtime/etag.ts";
import { authorize } from "../../runtime/authorisation.ts";
import { checkNames } from "./parameters.ts";
import { RecentAnswers } from "./recent-answers.ts";
import { type HttpEvent, type HttpHandler, type HttpResult, header, httpHandler, json } from "../../runtime/http.ts";

export type MartPorts = Pick<Ports, "keys" | "queries" | "runs" | "settings" | "suppressions">;

/** Names of the answers' columns are those of the lake. */
export type MartRow = Readonly<Record<string, SqlValue>>;

export interface MartQuestion {
  readonly event: HttpEvent;
  readonly run: Run;
  /** Of the run, its tables and who is erased: where it is the same, so are the figures. */
  readonly state: string;
  /** Who is not to be told of, whatever the tables of the run still hold. */
  readonly erased: SuppressionList;
  readonly queries: QueryEngine;
  /** What amounts are in. */
  readonly currency: string;
}

/** Runs are looked through some at a time, since the newest has nearly always succeeded: a run's trail is long. */
const RUNS_AT_ONCE = 5;
const MOST_RUNS = 50;

export const latestRun = async (runs: Ports["runs"]): Promise<Run | undefined> => {
  let cursor: string | undefined;
  for (let looked = 0; looked < MOST_RUNS; looked += RUNS_AT_ONCE) {
    const page = await runs.list({ limit: RUNS_AT_ONCE, cursor });
    const found = page.runs.find((run) => run.state === "succeeded");
    if (found !== undefined || page.cursor === undefined) return found;
    cursor = page.cursor;
  }
  return undefined;
};

/** What the figures of a run depend on, as it is at this moment. */
export const stateNow = async ({ suppressions, queries }: Pick<MartPorts, "queries" | "suppressions">, run: Run) => {
  const erased = await suppressions.latest();
  return { erased, state: stateOf(run, erased, await queries.version?.()) };
};

/**
 * A GET over what the latest run has left. The answer says of which run it is and may be kept until the next (ETag).
 * @param respond the fields besides `run_id`, `as_of` and `currency`, or a whole answer
 * @param empty what to answer before the first run
 * @param parameters names of the parameters that there are, where neither of the two looks at them
 * @param read what else the answer goes by, and so its ETag: looked at with every request, and written as JSON
 */
export const martHandler = <Beside = undefined>(
  ports: MartPorts,
  respond: (question: MartQuestion, beside: Beside) => Promise<object | HttpResult>,
  empty: (event: HttpEvent, beside: Beside) => object,
  parameters?: readonly string[],
  read?: () => Promise<Beside>,
): HttpHandler => {
  const recent = new RecentAnswers();
  const queries = sharing(ports.queries);
  return httpHandler(async (event) => {
    await authorize(ports.keys, event);
    if (parameters !== undefined) checkNames(event, parameters);
    const currency = ports.settings.rates.reportingCurrency;
    const [run, beside] = await Promise.all([latestRun(ports.runs), read?.() as Promise<Beside>]);
    if (run === undefined) return json(200, { currency, ...empty(event, beside) });
    const { erased, state } = await stateNow(ports, run);
    const etag = etagOf(state, event, beside);
    const headers = { etag, "cache-control": "private, no-cache", vary: "authorization, accept" };
    if (isKnown(header(event, "if-none-match"), etag)) return { statusCode: 304, headers };
    const answer = await recent.get(etag, async () => {
      const answered = await respond({ event, run, state, erased, queries, currency }, beside);
      if ("statusCode" in answered) return answered;
      return json(200, { run_id: run.runId, as_of: `${run.asOf}T00:00:00.000Z`, currency, ...answered });
    });
    return { ...answer, headers: { ...headers, ...answer.headers } };
  });
};

/** One statement that several ask for at once is asked once: what rises and what falls stands in the same rows. */
const sharing = (queries: QueryEngine): QueryEngine => {
  const under = new Map<string, ReturnType<QueryEngine["query"]>>();
  return {
    dialect: queries.dialect,
    query: (sql) => {
      const known = under.get(sql);
      if (known !== undefined) return known;
      const asked = queries.query(sql).finally(() => under.delete(sql));
      under.set(sql, asked);
      return asked;
    },
  };
};

const stateOf = (run: Run, erased: SuppressionList, tables = ""): string =>
  JSON.stringify([run.runId, run.startedAtMs, run.endedAtMs, erased.version, tables]);

const etagOf = (state: string, event: HttpEvent, beside: unknown): string =>
  `"${createHash("sha256")
    .update(JSON.stringify([state, event.rawPath, event.rawQueryString, header(event, "accept"), beside]))
    .digest("hex")
    .slice(0, 32)}"`;

export const rowsOf = async (queries: QueryEngine, sql: string): Promise<MartRow[]> => {
  const { columns, rows } = await queries.query(sql);
  return rows.map((row) => Object.fromEntries(columns.map(({ name }, index) => [name, row[index] ?? null])));
};

/** A number of any SQL type; decimals come as text, large integers as bigint. NULL is 0 in a sum over nothing. */
export const numberOf = (value: SqlValue | undefined): number =>
  value === null || value === undefined ? 0 : Number(value);
export const numberOrAbsent = (value: SqlValue | undefined): number | undefined =>
  value === null || value === undefined ? undefined : Number(value);
/** A scalar as text; `undefined` for NULL, and for what is no scalar. */
export const scalarText = (value: SqlValue | undefined): string | undefined =>
  value === null || value === undefined || typeof value === "object" ? undefined : String(value);
export const textOf = (value: SqlValue | undefined): string => scalarText(value) ?? "";
/** A DATE or TIMESTAMP of either engine as `YYYY-MM-DD`. */
export const dayTextOf = (value: SqlValue | undefined): string => textOf(value).slice(0, 10);
/** A TIMESTAMP (UTC, without a zone) of either engine as RFC 3339; absent for NULL. */
export const instantOf = (value: SqlValue | undefined): string | undefined =>
  value === null || value === undefined
    ? undefined
    : new Date(`${textOf(value).replace(" ", "T").replace(/Z?$/, "Z")}`).toISOString();
