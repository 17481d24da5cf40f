/** JSON Schemas of the API: of events from their definitions, of answers as the handlers give them. */
import { definitions } from "@ebb/core/wire/definitions";
import { eventKinds } from "@ebb/core/kinds";
import { reasonCodes } from "@ebb/core/reasons";
import { z } from "zod";
import { erasureSchemas } from "./erasure-schemas.ts";
import { martSchemas } from "./mart-schemas.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

export const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });

/** `order_completed` → `OrderCompletedEvent`. */
export const eventSchemaName = (kind: string): string =>
  `${kind.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())}Event`;

/** One schema an event kind, and those that they share. */
export const eventSchemas = (): Record<string, JsonSchema> => {
  const schemas: Record<string, JsonSchema> = {};
  for (const kind of eventKinds) {
    const {
      $schema: _schema,
      $defs: shared,
      ...schema
    } = z.toJSONSchema(definitions[kind], {
      io: "input",
      override: ({ jsonSchema }) => {
        if (jsonSchema["personal"] !== true) return;
        delete jsonSchema["personal"];
        jsonSchema["x-personal"] = true;
      },
    });
    for (const [name, definition] of Object.entries(shared ?? {})) schemas[name] = withoutId(definition);
    schemas[eventSchemaName(kind)] = withoutId(schema);
  }
  schemas["Event"] = { anyOf: eventKinds.map((kind) => ref(eventSchemaName(kind))) };
  return JSON.parse(JSON.stringify(schemas).replaceAll('"#/$defs/', '"#/components/schemas/')) as Record<
    string,
    JsonSchema
  >;
};

const withoutId = (schema: object): JsonSchema => {
  const { id: _id, ...rest } = schema as Record<string, unknown>;
  return rest;
};

const string: JsonSchema = { type: "string" };
const integer: JsonSchema = { type: "integer" };
const number: JsonSchema = { type: "number" };
const instant: JsonSchema = { type: "string", format: "date-time" };
const object = (
  properties: Readonly<Record<string, JsonSchema>>,
  required: readonly string[] = Object.keys(properties),
): JsonSchema => ({ type: "object", properties, required: [...required] });

/** One page of a list; `cursor` is there while more follows. */
const page = (name: string, item: string): JsonSchema =>
  object({ [name]: { type: "array", items: ref(item) }, cursor: string }, [name]);

/** What is answered, by name. */
export const answerSchemas: Readonly<Record<string, JsonSchema>> = {
  Problem: {
    ...object({ type: string, title: string, status: integer, detail: string }),
    description: "What is wrong with a request as a whole (RFC 9457)",
  },
  Batch: {
    ...object(
      {
        batch: { type: "array", items: ref("Event"), maxItems: 10_000 },
        sentAt: instant,
        writeKey: { ...string, description: "The key, where it is sent in no other way" },
      },
      ["batch"],
    ),
    description: "Events of any kind",
  },
  Collected: object(
    {
      success: { const: true },
      receipt_id: { ...string, description: "Under this id the request stands in the ledger" },
      received: integer,
      appended: { ...integer, description: "received = appended + quarantined" },
      duplicates: { ...integer, description: "Of the appended ones, where that is known at once" },
      quarantined: integer,
      errors: { type: "array", items: ref("EventError") },
      ignored: { type: "array", items: string, description: "Parts of a platform's document that hold no posts" },
    },
    ["success", "received", "appended", "quarantined", "errors"],
  ),
  EventError: object(
    {
      index: { ...integer, description: "Which event of the request, from 0" },
      messageId: string,
      code: { enum: [...reasonCodes] },
      field: { ...string, description: "Path of the field, such as properties.products[3].price" },
      message: string,
    },
    ["index", "code", "message"],
  ),
  Ledger: {
    ...object(
      {
        receipt_id: string,
        channel: { enum: ["http", "social", "upload", "source"] },
        source: string,
        received: integer,
        appended: integer,
        quarantined: integer,
        accepted: integer,
        duplicate: integer,
        received_at: instant,
      },
      ["receipt_id", "received", "appended", "quarantined"],
    ),
    description:
      "received = appended + quarantined; once settled appended = accepted + duplicate. Of a file its rows are counted, and settled with its end; in AWS requests and files of events do not settle by themselves",
  },
  Ledgers: page("lines", "Ledger"),
  Readiness: {
    ...object(
      {
        status: { enum: ["ready", "not_ready"] },
        checks: {
          type: "array",
          items: object({ name: string, ok: { type: "boolean" }, detail: string }, ["name", "ok"]),
        },
      },
      ["status", "checks"],
    ),
    description: "What was looked at, and whether all of it is well",
  },
  Quarantined: {
    ...object(
      {
        receipt_id: string,
        row_number: {
          ...integer,
          description: "Row of the file, the header being row 1; or index in the batch, from 0",
        },
        code: { enum: [...reasonCodes] },
        field: string,
        message: string,
        source: string,
        schema_version: integer,
        quarantined_at: instant,
        replayed: {
          ...object({ receipt_id: string, outcome: { enum: ["appended", "refused"] }, at: instant }, [
            "receipt_id",
            "outcome",
            "at",
          ]),
          description: "What became of it when it was sent again; absent while it never was",
        },
        original: { ...string, description: "The original bytes, where they are UTF-8" },
        original_base64: { ...string, description: "The original bytes, where they are not" },
      },
      ["receipt_id", "row_number", "code", "message", "source", "schema_version", "quarantined_at"],
    ),
    description: "A refused event or row with its reason and its original bytes",
  },
  Quarantine: {
    ...page("items", "Quarantined"),
    description: "A page of what was refused; the first one also has `counts` by reason",
  },
  Upload: {
    ...object(
      {
        upload_id: string,
        state: { enum: ["awaiting_content", "queued", "processing", "done", "failed"] },
        source: string,
        filename: string,
        options: { type: "object" },
        created_at: instant,
        updated_at: instant,
        progress: object({ rows_read: integer, bytes_read: integer, bytes_total: integer }, [
          "rows_read",
          "bytes_read",
        ]),
        ledger: object({ received: integer, accepted: integer, duplicate: integer, quarantined: integer }),
        problem: object({ code: string, field: string, message: string }, ["code", "message"]),
        links: object({ self: string, quarantine: string }),
      },
      ["upload_id", "state", "source", "options", "created_at", "updated_at", "links"],
    ),
    description: "A file; when it is done received = accepted + duplicate + quarantined",
  },
  Uploads: page("uploads", "Upload"),
  UploadRequest: {
    ...object({ content: { const: "upload_url" }, size: integer, filename: string, layout: string, mode: string }, [
      "content",
    ]),
    description: "Asks for a URL to PUT a large file to; takes the same options as the query",
  },
  UploadTarget: {
    allOf: [
      ref("Upload"),
      object({
        upload: object({
          method: { const: "PUT" },
          url: string,
          headers: { type: "object", additionalProperties: string },
          expires_at: instant,
        }),
      }),
    ],
  },
  Customer: {
    ...object(
      {
        customer_key: string,
        currency: string,
        orders: { ...integer, description: "Orders whose net is above zero" },
        gross_minor: integer,
        refunds_minor: integer,
        net_minor: integer,
        first_order_at: instant,
        last_order_at: instant,
        recency_days: integer,
        segment: string,
        scores: object({ recency: integer, frequency: integer, monetary: integer }),
        cut_points_version: string,
        months: {
          type: "array",
          items: object({ month: string, orders: integer, gross_minor: integer, refunds_minor: integer }),
        },
        churn: {
          ...object(
            {
              probability: { ...number, description: "Of no order that counts within the horizon after `as_of`" },
              decile: { ...integer, description: "1: the tenth most likely to leave" },
              horizon_days: integer,
              drivers: {
                type: "array",
                items: object({ feature: string, log_odds: number, words: string, text: string }),
                description: "What goes with the probability, the largest first: log-odds against the average customer",
              },
              as_of: instant,
              run_id: string,
            },
            ["probability", "decile", "horizon_days", "drivers", "as_of", "run_id"],
          ),
          description: "Absent where the last run had no model, or did not know the customer",
        },
        value: {
          ...object(
            {
              expected_minor: { ...integer, description: "Net money expected within the horizon" },
              probability_active: number,
              horizon_days: integer,
              as_of: instant,
              run_id: string,
            },
            ["as_of", "run_id"],
          ),
          description: "BG/NBD and Gamma-Gamma; absent where they are not determined",
        },
        cluster: { ...string, description: "K-Means over recency, frequency and monetary value, as of the last run" },
        version: integer,
      },
      ["customer_key", "currency", "orders", "gross_minor", "refunds_minor", "net_minor", "segment", "months"],
    ),
    description: "Money in minor units of the reporting currency; what is absent has no order that counts",
  },
  ...martSchemas,
  ...erasureSchemas,
  Run: {
    ...object(
      {
        run_id: { ...string, description: "The as-of date, with -2, -3, … for a further run of the day" },
        as_of: { type: "string", format: "date", description: "Nothing from this day on (UTC) was known to the run" },
        horizon_days: integer,
        state: { enum: ["running", "succeeded", "failed"] },
        started_by: { enum: ["schedule", "command", "api"] },
        started_at: instant,
        ended_at: instant,
        reason: { ...string, description: "Why it failed, or why it has no churn model" },
        steps: {
          type: "array",
          items: object(
            {
              name: string,
              state: { enum: ["running", "done", "failed"] },
              started_at: instant,
              ended_at: instant,
              figures: { type: "object", additionalProperties: { anyOf: [number, string] } },
              reason: string,
            },
            ["name", "state", "started_at"],
          ),
        },
      },
      ["run_id", "as_of", "horizon_days", "state", "started_by", "started_at", "steps"],
    ),
    description: "A batch run and its audit trail",
  },
  Runs: page("runs", "Run"),
};
