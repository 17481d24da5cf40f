/** Customers of the latest run, by segment, ordered, a page at a time; a segment's also as CSV for a campaign tool. */
import { NO_PURCHASE } from "@ebb/core/rfm";
import { csvOf } from "@ebb/core/spreadsheet-csv";
import type { Run } from "@ebb/ports";
import { z } from "zod";
import type { HttpEvent, HttpHandler, HttpResult } from "../runtime/http.ts";
import { header } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { Problem } from "../runtime/problem.ts";
import { type After, type CustomerSort, customerSorts, customersSql } from "./marts/customer-list-sql.ts";
import { customerAnswer } from "./marts/customer-rows.ts";
import { type MartPorts, type MartRow, martHandler, rowsOf, scalarText, textOf } from "./marts/mart-handler.ts";
import { checkNames, fraction, parametersOf, text, wholeNumber } from "./marts/parameters.ts";

export const customersShape = {
  segment: text(100).optional(),
  sort: z.enum(Object.keys(customerSorts) as [CustomerSort, ...CustomerSort[]]).default("net"),
  minChurn: fraction.optional(),
  minValue: wholeNumber(0, 999_999_999).optional(),
  limit: wholeNumber(1, 1_000).default(100),
  cursor: text(500).optional(),
  format: z.enum(["json", "csv"]).optional(),
};

/** Rows of one CSV answer: some 200 bytes each, within the 6 MB that Lambda answers. The header `link` names the next. */
const CSV_ROWS = 20_000;

export const make = (ports: MartPorts): HttpHandler =>
  martHandler(
    ports,
    async ({ event, run, erased, queries }) => {
      const question = questionOf(event);
      const named = event.pathParameters?.["name"];
      const segment = named ?? question.segment;
      const csv = question.format === "csv" || (question.format === undefined && acceptsCsv(header(event, "accept")));
      const limit = csv && event.queryStringParameters?.["limit"] === undefined ? CSV_ROWS : question.limit;
      const begun = question.cursor === undefined ? undefined : positionOf(question.cursor, question.sort);
      const { runId, asOf } = begun ?? run;
      if (asOf !== run.asOf) await checkKept(queries, asOf);
      if (segment !== undefined) await checkSegment(queries, asOf, segment);
      const rows = await rowsOf(
        queries,
        customersSql(queries.dialect, { ...question, cutoff: asOf, segment, limit, after: begun?.after }),
      );
      const asked = rows.slice(0, limit);
      const cursor = rows.length > limit ? cursorOf(asked.at(-1)!, question.sort, { runId, asOf }) : undefined;
      const page = asked.filter((row) => !erased.has(textOf(row["customer_key"])));
      if (csv) return csvAnswer(page, cursor, asOf, event.rawPath, event.rawQueryString);
      const customers = page.map(customerAnswer);
      return {
        run_id: runId,
        as_of: `${asOf}T00:00:00.000Z`,
        customers,
        ...(cursor === undefined ? {} : { cursor }),
      };
    },
    (event) => {
      questionOf(event);
      return { customers: [] };
    },
  );

const { segment: _, ...ofSegment } = customersShape;

/** Where the path names the segment, no parameter does. */
const questionOf = (event: HttpEvent) => {
  if (event.pathParameters?.["name"] !== undefined) checkNames(event, Object.keys(ofSegment));
  return parametersOf(event, customersShape);
};

const acceptsCsv = (accept: string | undefined): boolean => accept !== undefined && /^\s*text\/csv\b/i.test(accept);

/** @throws Problem `not_found` naming the segments that there are */
const checkSegment = async (queries: MartPorts["queries"], cutoff: string, segment: string): Promise<void> => {
  const rows = await rowsOf(
    queries,
    `SELECT segment FROM segment_daily WHERE cutoff = ${queries.dialect.textLiteral(cutoff)} ORDER BY segment`,
  );
  const names = rows.map((row) => textOf(row["segment"]));
  if (!names.includes(segment) && segment !== NO_PURCHASE)
    throw new Problem("not_found", `There is no such segment. There are ${names.join(", ")}.`);
};

/** @throws Problem `invalid_parameter` */
const checkKept = async (queries: MartPorts["queries"], cutoff: string): Promise<void> => {
  const rows = await rowsOf(
    queries,
    `SELECT cutoff FROM customer_scores WHERE cutoff = ${queries.dialect.textLiteral(cutoff)} LIMIT 1`,
  );
  if (rows.length === 0)
    throw new Problem("invalid_parameter", `The list as of ${cutoff} is not kept any more. Begin it anew.`, {
      parameter: "cursor",
    });
};

type OfRun = Pick<Run, "runId" | "asOf">;

/** Names the run, too: a list that was begun before a run goes on as it began. */
const cursorOf = (row: MartRow, sort: CustomerSort, { runId, asOf }: OfRun): string =>
  Buffer.from(
    JSON.stringify([
      sort,
      scalarText(row[customerSorts[sort]]) ?? null,
      textOf(row["customer_key"]),
      runId,
      asOf,
    ] satisfies z.infer<typeof Cursor>),
  ).toString("base64url");

const Cursor = z.tuple([
  z.string(),
  z
    .string()
    .max(60)
    .regex(/^[\d.:eE +-]+$/)
    .nullable(),
  z.string().max(60),
  z.string().max(60),
  z.iso.date(),
]);

/** @throws Problem `invalid_parameter` */
const positionOf = (cursor: string, sort: CustomerSort): OfRun & { readonly after: After } => {
  try {
    const [of, value, customerKey, runId, asOf] = Cursor.parse(
      JSON.parse(Buffer.from(cursor, "base64url").toString("utf8")),
    );
    if (of === sort) return { runId, asOf, after: { value, customerKey } };
  } catch {
    // said below
  }
  throw new Problem("invalid_parameter", "The cursor was not handed out for this list.", { parameter: "cursor" });
};

const csvColumns = [
  "customer_key",
  "segment",
  "orders",
  "net_minor",
  "last_order_at",
  "churn_probability",
  "churn_decile",
  "expected_value_minor",
  "value_if_active_minor",
  "expected_loss_minor",
  "as_of",
] as const;

const csvAnswer = (
  rows: readonly MartRow[],
  cursor: string | undefined,
  asOf: string,
  path: string,
  query: string,
): HttpResult => {
  const answers = rows.map((row) => ({ ...customerAnswer(row), as_of: asOf }));
  const next = new URLSearchParams(query);
  if (cursor !== undefined) next.set("cursor", cursor);
  return {
    statusCode: 200,
    headers: {
      "content-type": "text/csv; charset=utf-8",
      "content-disposition": 'attachment; filename="customers.csv"',
      ...(cursor === undefined ? {} : { link: `<${path}?${next.toString()}>; rel="next"` }),
    },
    body: csvOf(
      csvColumns,
      answers.map((row) => csvColumns.map((name) => row[name])),
    ),
  };
};

export const handler = onAws(make);
