/** What each route is for, what it takes and what it answers. One entry a route of the declarations; a test counts. */
import { type JsonSchema, ref } from "./schemas.ts";

export interface Operation {
  readonly summary: string;
  readonly description?: string;
  readonly tag: "collect" | "serve" | "about";
  /** Query parameters. */
  readonly query?: Readonly<Record<string, JsonSchema>>;
  /** Request body by content type. */
  readonly body?: Readonly<Record<string, JsonSchema>>;
  /** The answer to success. */
  readonly answer: {
    readonly status: number;
    readonly type?: string;
    readonly schema?: JsonSchema;
    readonly text: string;
  };
  /** Another answer to success. */
  readonly also?: Operation["answer"];
  /** Other content types that the answer may have, by parameter or Accept. */
  readonly types?: readonly string[];
  /** Statuses of problems besides those every route of its kind has. */
  readonly problems?: readonly number[];
}

const json = (schema: JsonSchema) => ({ "application/json": schema });
const object: JsonSchema = { type: "object" };
const string: JsonSchema = { type: "string" };
const limit: JsonSchema = { type: "integer", minimum: 1 };

const collected = {
  status: 200,
  schema: ref("Collected"),
  text: "Durable: each event appended, or quarantined with its reason",
};
const EVENTS =
  "JSON under any content type, gzip allowed. An event that cannot be taken is answered in `errors` and kept in quarantine with its original bytes; its neighbours are appended. A request that failed may be sent again: events are counted once by `messageId`.";

const call = (kind: string, schema: JsonSchema): Operation => ({
  summary: `Send one ${kind} event, or a batch`,
  description: EVENTS,
  tag: "collect",
  body: json({ anyOf: [schema, ref("Batch")] }),
  answer: collected,
  problems: [400, 413, 415],
});
const batch = (whose: string): Operation => ({
  summary: `Send a batch of events (${whose})`,
  description: EVENTS,
  tag: "collect",
  body: json(ref("Batch")),
  answer: collected,
  problems: [400, 413, 415],
});

const track: JsonSchema = {
  anyOf: [
    "Track",
    "OrderCompleted",
    "OrderUpdated",
    "OrderRefunded",
    "OrderCancelled",
    "ProductViewed",
    "ProductListViewed",
    "ProductAdded",
    "ProductRemoved",
    "CartViewed",
    "CheckoutStarted",
    "ProductsSearched",
    "ProductReviewed",
    "SocialMentioned",
    "SocialEngaged",
  ].map((kind) => ref(`${kind}Event`)),
};
const single: Readonly<Record<string, Operation>> = {
  track: call("track", track),
  identify: call("identify", ref("IdentifyEvent")),
  page: call("page", ref("PageEvent")),
  screen: call("screen", ref("ScreenEvent")),
  group: call("group", ref("GroupEvent")),
  alias: call("alias", ref("AliasEvent")),
};
const short: Readonly<Record<string, string>> = {
  t: "track",
  i: "identify",
  p: "page",
  s: "screen",
  g: "group",
  a: "alias",
};

const post = (path: string, operation: Operation): [string, Operation] => [`POST ${path}`, operation];
const get = (path: string, operation: Operation): [string, Operation] => [`GET ${path}`, operation];

const day: JsonSchema = { type: "string", format: "date" };
const period = { from: day, to: day, country: { type: "string", maxLength: 100 } };
/** Problems of an address that takes parameters. */
const kept = [400];
const customersQuery = {
  sort: { enum: ["churn", "loss", "value", "net", "lastOrder"] },
  minChurn: { type: "number", minimum: 0, maximum: 1 },
  minValue: { type: "integer", minimum: 0, maximum: 999_999_999, description: "Least value_if_active_minor" },
  limit: { type: "integer", minimum: 1, maximum: 1_000 },
  cursor: { type: "string", maxLength: 500 },
  format: { enum: ["json", "csv"] },
};

const sourceConfig: Operation = {
  summary: "Configuration of RudderStack's browser SDK",
  description: "A source without destinations, with this server as its data plane.",
  tag: "collect",
  query: { writeKey: string },
  answer: { status: 200, schema: object, text: "The configuration" },
  problems: [401, 404],
};

/** By `METHOD path`, as in the declarations. */
export const operations: Readonly<Record<string, Operation>> = Object.fromEntries([
  ...Object.entries(single).map(([name, operation]) => post(`/v1/${name}`, operation)),
  ...Object.entries(short).map(([letter, name]) => post(`/v1/${letter}`, single[name]!)),
  post("/v1/batch", batch("servers")),
  post("/v1/import", batch("history")),
  post("/v1/b", batch("Segment's browser SDK")),
  post("/v1/m", {
    summary: "Counts that Segment's browser SDK makes of its own calls",
    description: "Answered and not kept.",
    tag: "collect",
    body: json(object),
    answer: { status: 200, schema: object, text: "Taken" },
  }),
  post("/beacon/v1/batch", batch("RudderStack's beacon")),
  post("/api/s/{type}", call("browser (Jitsu)", ref("Event"))),
  post("/api/s/s2s/{type}", call("server (Jitsu)", ref("Event"))),
  get("/v1/projects/{key}/settings", {
    summary: "Settings of Segment's browser SDK",
    description: "A project without destinations, with this server as its host.",
    tag: "collect",
    answer: { status: 200, schema: object, text: "The settings" },
    problems: [404],
  }),
  get("/sourceConfig", sourceConfig),
  get("/sourceConfig/", sourceConfig),
  get("/v1/social/{platform}", {
    summary: "Challenge-response check of a hook (X)",
    tag: "collect",
    query: { crc_token: string },
    answer: {
      status: 200,
      schema: { type: "object", properties: { response_token: string }, required: ["response_token"] },
      text: "The token's HMAC",
    },
    problems: [400, 404],
  }),
  post("/v1/social/{platform}", {
    summary: "Take what a social platform posts to its hook",
    description:
      "`twitter`: Account Activity API (v1.1 statuses) and API v2 (`data`, `includes`). `generic`: `{posts: [{id, text, author, created_at, language, sentiment, likes, shares, replies, engagement}]}`. A post sent twice is counted once, by its id.",
    tag: "collect",
    body: json({ anyOf: [object, { type: "array", items: object }] }),
    answer: collected,
    problems: [400, 401, 404, 413],
  }),
  post("/v1/uploads", {
    summary: "Upload a file of orders, order lines or events",
    description:
      "The file itself as the body (CSV, JSON Lines, XLSX; gzip allowed; up to 4 MB), or a JSON body that asks for an upload URL for a larger one.",
    tag: "collect",
    query: {
      filename: string,
      layout: string,
      mapping: string,
      mode: { enum: ["append", "replace"] },
      currency: string,
      date_format: string,
      delimiter: string,
      decimal: string,
      encoding: string,
      header: string,
    },
    body: {
      "text/csv": string,
      "application/x-ndjson": string,
      "application/octet-stream": { type: "string", format: "binary" },
      "application/json": ref("UploadRequest"),
    },
    also: { status: 201, schema: ref("UploadTarget"), text: "Where to PUT the file, for a body of application/json" },
    answer: { status: 202, schema: ref("Upload"), text: "Kept durably; it is read in the background" },
    problems: [400, 413, 415],
  }),
  get("/v1/uploads", {
    summary: "List uploads, the newest first",
    tag: "collect",
    query: { limit, cursor: string },
    answer: { status: 200, schema: ref("Uploads"), text: "Uploads" },
    problems: [400],
  }),
  get("/v1/uploads/{id}", {
    summary: "State and ledger of an upload",
    tag: "collect",
    answer: { status: 200, schema: ref("Upload"), text: "The upload" },
    problems: [404],
  }),
  [
    "PUT /v1/uploads/{id}/content",
    {
      summary: "Put the content of an upload where its URL said (on one machine; in AWS the URL is S3's)",
      tag: "collect",
      query: { expires: string, signature: string },
      body: { "application/octet-stream": { type: "string", format: "binary" } },
      answer: { status: 202, schema: ref("Upload"), text: "Kept durably; it is read in the background" },
      problems: [403, 404, 409, 413],
    },
  ],
  get("/v1/quarantine", {
    summary: "List what was refused, with its reason and its original bytes",
    tag: "serve",
    query: {
      receipt_id: string,
      code: string,
      since: string,
      open: { enum: ["true", "false"] },
      limit,
      cursor: string,
      format: { enum: ["json", "jsonl", "original"] },
    },
    answer: { status: 200, schema: ref("Quarantine"), text: "Refused events and rows" },
    types: ["application/x-ndjson", "application/octet-stream"],
    problems: [400],
  }),
  get("/v1/ledger", {
    summary: "List requests and uploads with their counts, the newest first",
    tag: "serve",
    query: { limit, cursor: string },
    answer: { status: 200, schema: ref("Ledgers"), text: "Lines of the ledger" },
    problems: [400],
  }),
  get("/v1/ledger/{id}", {
    summary: "Counts of one request or upload",
    tag: "serve",
    answer: { status: 200, schema: ref("Ledger"), text: "The line" },
    problems: [400, 404],
  }),
  get("/v1/customers/{id}", {
    summary: "A customer: orders, money, recency, scores and segment, and what the last run said of it",
    description:
      "By the producer's own customer id, or by customer key. Recency is computed at the time of the request; `churn` and `value` are as of the last batch run.",
    tag: "serve",
    answer: { status: 200, schema: ref("Customer"), text: "The customer" },
    problems: [400, 404],
  }),
  get("/v1/customers/{id}/timeline", {
    summary: "What a customer did, the newest first, and the scores by run",
    description: "Orders, refunds, visits by day and posts, the latest 200 of each, as of the latest run.",
    tag: "serve",
    answer: { status: 200, schema: ref("Timeline"), text: "The timeline; empty for who is not known" },
    problems: kept,
  }),
  get("/v1/customers/{id}/export", {
    summary:
      "All that is kept of one person: profile, figures, orders, scores, rows and lines of declared sources and every event",
    description:
      "What a person is given who asks what is kept of them. A thousand events at a time; `next` is the address of those after.",
    tag: "serve",
    query: { after: { type: "integer", minimum: 0, description: "Events to pass over" } },
    answer: { status: 200, schema: ref("CustomerExport"), text: "The person's data" },
    problems: [400, 404],
  }),
  [
    "DELETE /v1/customers/{id}",
    {
      summary: "Erase a customer for good",
      description:
        "By the producer's own customer id, or by customer key. When it is answered, nothing new of the customer is taken in and no answer tells of them; every place that holds them is emptied after that, and a signed receipt tells what was there. To ask again answers the same erasure.",
      tag: "serve",
      answer: { status: 202, schema: ref("Erasure"), text: "The erasure that does it; `location` is its address" },
    },
  ],
  [
    "DELETE /v1/customers/{id}/suppression",
    {
      summary: "Let an erased customer back in, who comes back of their own will",
      description:
        "What was erased stays erased: the customer begins anew. A browser that was erased with them stays unknown.",
      tag: "serve",
      answer: {
        status: 200,
        schema: { type: "object", properties: { lifted: { type: "integer" } }, required: ["lifted"] },
        text: "1, or 0 for who is not erased",
      },
    },
  ],
  post("/v1/erasures", {
    summary: "Erase up to a thousand customers at once",
    tag: "serve",
    body: json({
      type: "object",
      properties: {
        customer_ids: {
          type: "array",
          minItems: 1,
          maxItems: 1_000,
          items: { type: "string", minLength: 1, maxLength: 1_024 },
        },
        again: {
          type: "boolean",
          description:
            "true: those of them who were erased before are erased once more, the others are left alone. For a store that was put back from before an erasure",
        },
      },
      required: ["customer_ids"],
      additionalProperties: false,
    }),
    answer: { status: 202, schema: ref("Erasure"), text: "The erasure; `erased_before` of them were erased already" },
    problems: [400, 404, 413, 415],
  }),
  get("/v1/erasures", {
    summary: "List erasures, the newest first",
    tag: "serve",
    query: { limit, cursor: string },
    answer: { status: 200, schema: ref("Erasures"), text: "Erasures" },
    problems: [400],
  }),
  get("/v1/erasures/{id}", {
    summary: "How far an erasure is; once done, its receipt",
    tag: "serve",
    answer: { status: 200, schema: ref("Erasure"), text: "The erasure" },
    problems: [404],
  }),
  get("/v1/customers", {
    summary: "Customers of the latest run, ordered, a page at a time",
    description:
      "Always the largest first. From the snapshot of the latest run: `as_of` says what it knows; a list that was begun goes on as it began when another run has been. With `format=csv` or `Accept: text/csv` as CSV, up to 20,000 rows; the header `link` then names the rest.",
    tag: "serve",
    query: { segment: { type: "string", maxLength: 100 }, ...customersQuery },
    answer: { status: 200, schema: ref("CustomerList"), text: "Customers" },
    types: ["text/csv"],
    problems: [...kept, 404],
  }),
  get("/v1/segments", {
    summary: "Segments of the latest run: sizes, money, risk, movements, the RFM grid and the clusters",
    tag: "serve",
    answer: { status: 200, schema: ref("Segments"), text: "Segments" },
    problems: kept,
  }),
  get("/v1/segments/{name}/customers", {
    summary: "Customers of one segment, as JSON or as CSV for a campaign tool",
    tag: "serve",
    query: customersQuery,
    answer: { status: 200, schema: ref("CustomerList"), text: "Customers" },
    types: ["text/csv"],
    problems: [...kept, 404],
  }),
  get("/v1/sales", {
    summary: "Sales by period, and by country, category or product",
    description:
      "By category and product an answer has lines and not orders: an order has lines of several. `to` is the day after the last.",
    tag: "serve",
    query: {
      interval: { enum: ["day", "week", "month", "total"] },
      by: { enum: ["country", "category", "product"] },
      ...period,
    },
    answer: { status: 200, schema: ref("Sales"), text: "Sums by period" },
    problems: kept,
  }),
  get("/v1/products", {
    summary: "Bestsellers of a period, and what rises or falls against its own past",
    description:
      "`change` is a robust z-score: (net − median of up to eight windows of the same length before) ÷ scale, the scale being 1.4826 × the median absolute deviation, at least a tenth of the median and a quarter of the mean net of a product.",
    tag: "serve",
    query: {
      sort: { enum: ["net", "units", "rising", "falling"] },
      category: { type: "string", maxLength: 200 },
      limit: { type: "integer", minimum: 1, maximum: 500 },
      ...period,
    },
    answer: { status: 200, schema: ref("Products"), text: "Products" },
    problems: kept,
  }),
  get("/v1/churn", {
    summary: "Churn in the latest run: distribution, deciles, reasons, expected loss, thresholds",
    tag: "serve",
    answer: { status: 200, schema: ref("Churn"), text: "Churn" },
    problems: [...kept, 404],
  }),
  get("/v1/models/current", {
    summary: "The churn model in use, with its whole card",
    tag: "serve",
    answer: { status: 200, schema: ref("CurrentModel"), text: "The model" },
    problems: [400, 404],
  }),
  get("/v1/pipeline", {
    summary: "Events by minute, and how far the stages are behind",
    tag: "serve",
    answer: { status: 200, schema: ref("Pipeline"), text: "The last three hours" },
    problems: [400],
  }),
  get("/v1/quality", {
    summary: "What each source sends, column by column, and what of it somebody should look at",
    description:
      "What was sent as the latest run found it, and the last load of each declared source as it is now. `format=html` gives the report as a page.",
    tag: "serve",
    query: { format: { enum: ["json", "html"] } },
    answer: { status: 200, schema: ref("Quality"), text: "The report" },
    types: ["text/html"],
    problems: kept,
  }),
  get("/v1/catalogue", {
    summary: "Every table of the lake and every declared source: grain, key, columns, types, units, what is personal",
    description: "From the definitions that make them. `format=html` gives it as a page.",
    tag: "serve",
    query: { format: { enum: ["json", "html"] } },
    answer: { status: 200, schema: ref("Catalogue"), text: "The catalogue" },
    types: ["text/html"],
    problems: kept,
  }),
  get("/v1/runs", {
    summary: "List batch runs with their steps, the newest first",
    tag: "serve",
    query: { limit, cursor: string },
    answer: { status: 200, schema: ref("Runs"), text: "Runs" },
    problems: [400],
  }),
  get("/v1/runs/{id}", {
    summary: "A batch run: its steps, what each found, and why it failed if it did",
    tag: "serve",
    answer: { status: 200, schema: ref("Run"), text: "The run" },
    problems: [400, 404],
  }),
  get("/v1/openapi.json", {
    summary: "This description",
    tag: "about",
    answer: { status: 200, schema: object, text: "OpenAPI 3.1" },
  }),
  get("/v1/docs", {
    summary: "This description as a page to read",
    tag: "about",
    answer: { status: 200, type: "text/html", schema: string, text: "The page" },
  }),
  get("/v1/health", {
    summary: "Whether requests are taken: for a process that is to be started again when it does not answer",
    tag: "about",
    answer: {
      status: 200,
      schema: { type: "object", properties: { status: { const: "ok" } }, required: ["status"] },
      text: "They are",
    },
  }),
  get("/v1/ready", {
    summary: "Whether the home can do its work: its stores answer, its disk has room, its stages keep up",
    tag: "about",
    answer: { status: 200, schema: ref("Readiness"), text: "It can; 503 with the same body where it cannot" },
  }),
  get("/metrics", {
    summary: "What this machine measures of itself, for Prometheus: events, lag, quarantine, runs, memory, disk",
    tag: "about",
    answer: { status: 200, type: "text/plain", schema: string, text: "Prometheus' text format" },
  }),
  get("/healthz", {
    summary: "Whether requests are taken",
    tag: "about",
    answer: {
      status: 200,
      schema: { type: "object", properties: { status: { const: "ok" } }, required: ["status"] },
      text: "They are",
    },
  }),
]);
