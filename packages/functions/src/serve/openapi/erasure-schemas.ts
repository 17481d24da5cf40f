/** Answers of erasures, and of what a person is given of their own. */
import { ErasureReceipt } from "@ebb/core/erasure";
import { z } from "zod";
import type { JsonSchema } from "./schemas.ts";

const string: JsonSchema = { type: "string" };
const integer: JsonSchema = { type: "integer" };
const instant: JsonSchema = { type: "string", format: "date-time" };
const object = (required: Record<string, JsonSchema>, optional: Record<string, JsonSchema> = {}): JsonSchema => ({
  type: "object",
  properties: { ...required, ...optional },
  required: Object.keys(required),
});

const { $schema: _schema, ...receipt } = z.toJSONSchema(ErasureReceipt) as JsonSchema & { $schema?: string };

const erasure = object(
  {
    erasure_id: string,
    state: { enum: ["requested", "running", "done"] },
    customers: integer,
    requested_at: instant,
  },
  {
    ended_at: instant,
    step: { ...string, description: "What is under way" },
    erased_before: { ...integer, description: "Of those asked for, who was erased already" },
    receipt: { ...receipt, description: "Signed; names people by suppression keys alone" },
  },
);

export const erasureSchemas: Readonly<Record<string, JsonSchema>> = {
  Erasure: erasure,
  Erasures: object({ erasures: { type: "array", items: erasure } }, { cursor: string }),
  CustomerExport: object(
    {
      customer_key: string,
      currency: string,
      orders: { type: "array", items: { type: "object" } },
      events: {
        type: "array",
        items: { type: "object" },
        description: "By arrival, without fields that have no value",
      },
    },
    {
      profile: object({ customer_id: string, traits: { type: "object" }, updated_at: instant }),
      figures: object({
        orders: integer,
        gross_minor: integer,
        refunds_minor: integer,
        net_minor: integer,
        months: { type: "object" },
      }),
      scores: { type: "object" },
      sources: {
        type: "array",
        items: object({ table: string, rows: { type: "array", items: { type: "object" } }, more: { type: "boolean" } }),
        description: "Rows of tables that declared sources fill, a thousand of each at most; in the first answer alone",
      },
      next: { ...string, description: "Address of the events after these; absent with the last" },
    },
  ),
};
