/** Answers that stand on what the latest run has left. */
import type { JsonSchema } from "./schemas.ts";

const string: JsonSchema = { type: "string" };
const integer: JsonSchema = { type: "integer" };
const number: JsonSchema = { type: "number" };
const instant: JsonSchema = { type: "string", format: "date-time" };
const probability: JsonSchema = { type: "number", minimum: 0, maximum: 1 };
const day: JsonSchema = { type: "string", format: "date" };

const object = (required: Readonly<Record<string, JsonSchema>>, more: Readonly<Record<string, JsonSchema>> = {}) => ({
  type: "object",
  properties: { ...required, ...more },
  required: Object.keys(required),
});
const list = (items: JsonSchema): JsonSchema => ({ type: "array", items });

/** Of the run whose figures they are; `run_id` and `as_of` are absent before the first. Money in minor units. */
const ofRun = (required: Readonly<Record<string, JsonSchema>>, more: Readonly<Record<string, JsonSchema>> = {}) =>
  object({ currency: string, ...required }, { run_id: string, as_of: instant, ...more });

const score: JsonSchema = { type: "integer", minimum: 1, maximum: 5 };
const driver = object({
  feature: { ...string, description: "A group of features" },
  log_odds: { ...number, description: "Against the average customer; positive speaks for leaving" },
  words: { ...string, description: "Follows “This customer …”" },
});

export const martSchemas: Readonly<Record<string, JsonSchema>> = {
  Sales: ofRun({
    interval: { enum: ["day", "week", "month", "total"] },
    rows: list(
      object(
        { period: { ...day, description: "First day of the period" }, units: integer, net_minor: integer },
        {
          group: { ...string, description: "The country, category or product, where it is asked for" },
          orders: integer,
          lines: { ...integer, description: "By category and product" },
          gross_minor: integer,
          refunds_minor: integer,
          average_order_minor: { ...integer, description: "Net by counted order, rounded; absent without one" },
          active_customers: { ...integer, description: "With any order or refund" },
          new_customers: { ...integer, description: "Whose first counted order ever falls into the period" },
          returning_customers: integer,
        },
      ),
    ),
  }),
  Products: ofRun({
    products: list(
      object(
        {
          product_id: string,
          name: string,
          orders: { ...integer, description: "Order lines" },
          units: integer,
          net_minor: integer,
        },
        { category: string, change: { ...number, description: "Robust z-score against its own past" } },
      ),
    ),
  }),
  CustomerOfRun: object(
    { customer_key: string, segment: string, orders: integer, net_minor: integer },
    {
      cluster: string,
      last_order_at: instant,
      recency_score: score,
      frequency_score: score,
      monetary_score: score,
      churn_probability: probability,
      churn_decile: { type: "integer", minimum: 1, maximum: 10 },
      expected_value_minor: { ...integer, description: "Expected net within the horizon" },
      value_if_active_minor: { ...integer, description: "Net expected within the horizon if the customer stays" },
      probability_active: probability,
      expected_loss_minor: {
        ...integer,
        description: "Churn probability × value_if_active_minor",
      },
      drivers: list(driver),
    },
  ),
  CustomerList: ofRun(
    { customers: list({ $ref: "#/components/schemas/CustomerOfRun" }) },
    { cursor: { ...string, description: "There while more follows" } },
  ),
  Segments: ofRun({
    segments: list(
      object(
        { segment: string, customers: integer, net_minor: integer, entered: integer, departed: integer },
        { mean_churn_probability: probability, expected_loss_minor: integer },
      ),
    ),
    movements: list(object({ from: string, to: string, customers: integer })),
    grid: list(
      object({
        recency: score,
        frequency_monetary: { ...score, description: "Rounded mean of the scores of frequency and money" },
        customers: integer,
        net_minor: integer,
        segment: string,
      }),
    ),
    clusters: list(
      object({ cluster: string, customers: integer, net_minor: integer, recency_days: number, orders: number }),
    ),
  }),
  Timeline: ofRun(
    {
      customer_key: string,
      entries: list(
        object(
          { at: instant, kind: { enum: ["order", "refund", "visit", "post", "support"] }, title: string },
          { amount_minor: integer, currency: string, details: list(string) },
        ),
      ),
      history: list(
        object(
          { as_of: day, segment: string },
          { recency: score, frequency: score, monetary: score, churn_probability: probability },
        ),
      ),
    },
    {
      support: {
        ...object({ contacts: integer }, { last_at: instant }),
        description: "Where a declared source tells of contacts with support, as of its last load",
      },
    },
  ),
  Churn: ofRun({
    horizon_days: integer,
    customers: integer,
    mean_probability: probability,
    expected_loss_minor: integer,
    distribution: list(object({ from: probability, to: probability, customers: integer })),
    deciles: list(
      object({ decile: integer, customers: integer, mean_probability: probability, expected_loss_minor: integer }),
    ),
    drivers: list(object({ feature: string, words: string, customers: integer })),
    economics: object({ contact_cost_minor: number, save_rate: number }),
    threshold: probability,
    thresholds: list(
      object({
        threshold: probability,
        customers: integer,
        expected_saves: number,
        cost_minor: integer,
        expected_profit_minor: integer,
      }),
    ),
  }),
  Quality: ofRun({
    findings: list({ type: "object" }),
    tables: list({ type: "object" }),
    references: list({ type: "object" }),
    limits: list({ type: "object" }),
  }),
  Catalogue: object({
    sources: list(
      object(
        {
          ...{ name: string, connection: string, maps: string, source: string, key: list(string), schedule: string },
          personal: { ...list(string), description: "Fields that are read and never in the lake" },
          tables: list(
            object({
              ...{ name: string, grain: string, filled: { type: "boolean" } },
              columns: list(
                object(
                  { name: string, field: string, key: { type: "boolean" }, pseudonym: { type: "boolean" } },
                  { type: string },
                ),
              ),
            }),
          ),
        },
        { from: string, watermark: string, currency: string, loaded_at: instant },
      ),
    ),
    tables: list(
      object(
        {
          name: string,
          kind: { enum: ["events", "view", "run"] },
          grain: string,
          key: list(string),
          made_of: list(string),
          columns: list(object({ name: string, type: string, description: string }, { unit: string })),
        },
        { partitioned_by: string },
      ),
    ),
  }),
  CurrentModel: object({ run_id: string, as_of: instant, currency: string, card: { type: "object" } }),
  Pipeline: object({
    stages: list(object({ stage: { enum: ["score", "land"] } }, { lag_records: integer, lag_ms: number })),
    minutes: list(object({ at: instant, received: integer, quarantined: integer })),
  }),
};
