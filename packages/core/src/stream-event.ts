import { z } from "zod";
import { STREAM_SCHEMA_VERSION, streamKinds } from "./kinds.ts";

/**
 * The one shape that travels on the stream and lands in the lake. Names are the lake's column names, so that
 * Firehose and DuckDB convert it without a mapping. It holds no personal field: customers are pseudonyms.
 */
const instant = z.iso
  .datetime({ precision: 3 })
  .meta({ column: "timestamp", description: "UTC, RFC 3339 with milliseconds" });
const text = (max: number) => z.string().max(max);
const minor = z.int().meta({ column: "bigint" });
const decimal = z.number().meta({ column: "decimal(18,6)" });

export const StreamLine = z.object({
  line_id: text(64).optional().meta({ description: "Row identity of a file line; absent for lines sent over HTTP" }),
  product_id: text(256).optional(),
  sku: text(256).optional(),
  name: text(1024).optional(),
  category: text(512).optional(),
  brand: text(256).optional(),
  variant: text(256).optional(),
  quantity: decimal.meta({ column: "decimal(18,6)", description: "Signed units; negative lines are returns" }),
  unit_price: decimal.meta({ column: "decimal(18,6)", description: "In the order's currency, decimals kept" }),
  total_minor: minor.meta({
    column: "bigint",
    description: "quantity × unit_price in minor units, half away from zero",
  }),
  occurred_at: instant
    .optional()
    .meta({ column: "timestamp", description: "The line's own time where a file gives one" }),
});
export type StreamLine = z.infer<typeof StreamLine>;

export const StreamEvent = z.object({
  event_id: text(64).meta({ description: "Deterministic id; the unit of de-duplication" }),
  kind: z.enum(streamKinds),
  name: text(256).meta({ description: "The producer's event name" }),
  source: text(64),
  schema_version: z.literal(STREAM_SCHEMA_VERSION).meta({ column: "int" }),
  occurred_at: instant,
  received_at: instant,
  receipt_id: text(64).meta({ description: "The request or upload that brought it" }),
  receipt_number: z.int().nonnegative().meta({ column: "bigint", description: "Ordinal of the event in its receipt" }),
  customer_key: text(64).optional(),
  anonymous_key: text(64).optional(),
  session_id: text(128).optional(),
  country: text(64).optional(),

  order_id: text(256).optional(),
  order_rank: z.int().optional().meta({ column: "int", description: "Precedence of the channel: 2 HTTP, 1 file" }),
  order_version: z
    .int()
    .optional()
    .meta({ column: "bigint", description: "Within a rank the highest version is the state" }),
  refund_id: text(256).optional(),
  full_refund: z.boolean().optional().meta({ description: "A refund without an amount: whatever the order was worth" }),
  currency: text(3).optional(),
  total_minor: minor
    .optional()
    .meta({ column: "bigint", description: "Order or refund value in minor units of `currency`" }),
  reporting_currency: text(3).optional(),
  reporting_minor: minor
    .optional()
    .meta({ column: "bigint", description: "total_minor in the reporting currency at the order's dated rate" }),
  coupon: text(256).optional(),
  discount_minor: minor.optional(),
  shipping_minor: minor.optional(),
  tax_minor: minor.optional(),
  lines: z.array(StreamLine).max(10_000).optional(),

  product_id: text(256).optional(),
  product_name: text(1024).optional(),
  category: text(512).optional(),
  brand: text(256).optional(),
  unit_price: decimal.optional(),
  quantity: decimal.optional(),
  cart_id: text(256).optional(),
  query: text(1024).optional(),
  page_path: text(2048).optional(),
  referrer_host: text(256).optional(),
  campaign: text(1024).optional().meta({ description: "JSON of the UTM fields" }),
  device: text(64).optional(),
  bot: text(32)
    .optional()
    .meta({ description: "`user_agent`: the visitor's program says that it is a machine; absent otherwise" }),
  rating: z.number().optional().meta({ column: "double" }),

  platform: text(64).optional(),
  post_id: text(256).optional(),
  author_key: text(64)
    .optional()
    .meta({ description: "Pseudonym of a platform's handle: who wrote a post, or whom an identify call links" }),
  body: text(16_384).optional().meta({ description: "Text of a post or review, @names masked" }),
  language: text(16).optional(),
  sentiment: text(16).optional().meta({ description: "The producer's label; else, of English text, by a word list" }),
  engagement: text(64).optional(),
  reach: z
    .int()
    .optional()
    .meta({ column: "bigint", description: "Likes + shares + replies at the time of the event" }),

  properties: z
    .string()
    .optional()
    .meta({ description: "JSON of the allow-listed properties of an event kind of the producer's own" }),
  traits: z.string().optional().meta({ description: "JSON of the allow-listed, non-personal traits" }),
  email_key: text(64)
    .optional()
    .meta({ description: "Pseudonym of the e-mail address that an identify call told; the address is not kept here" }),
  unlinked_key: text(64)
    .optional()
    .meta({ description: "Of `Identity Unlinked`: the pseudonym that is not the customer's" }),
  dropped_fields: z
    .int()
    .nonnegative()
    .optional()
    .meta({ column: "int", description: "How many fields were left out as not allow-listed" }),
});
/** A validated event. Absent fields are absent, never null. */
export type StreamEvent = z.infer<typeof StreamEvent>;
