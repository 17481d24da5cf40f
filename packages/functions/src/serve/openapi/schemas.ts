/** JSON Schemas of the API: of events from their definitions, of answers as the handlers give them. */
import { definitions } from "@ebb/core/wire/definitions";
import { eventKinds } from "@ebb/core/kinds";
import { reasonCodes } from "@ebb/core/reasons";
import { z } from "zod";

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
const instant: JsonSchema = { type: "string", format: "date-time" };
const object = (
  properties: Readonly<Record<string, JsonSchema>>,
  required: readonly string[] = Object.keys(properties),
): JsonSchema => ({ type: "object", properties, required: [...required] });

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
        channel: { enum: ["http", "social", "upload"] },
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
    description: "received = appended + quarantined; once settled appended = accepted + duplicate",
  },
  Upload: {
    ...object(
      {
        upload_id: string,
        state: { enum: ["awaiting_content", "queued", "processing", "done", "failed"] },
        source: string,
        ledger: object({ received: integer, accepted: integer, duplicate: integer, quarantined: integer }),
      },
      ["upload_id", "state"],
    ),
    description: "A file; when it is done received = accepted + duplicate + quarantined",
  },
  Customer: { type: "object", description: "Money in minor units of the reporting currency" },
};
