/**
 * The layouts that files come in, as data: which header names stand for what. A file is recognised by its header, or
 * its layout is named, or a mapping gives the header of each column.
 */

/** What a column holds. */
export const columnRoles = [
  "order_id",
  "customer_id",
  "occurred_at",
  "product_id",
  "sku",
  "name",
  "category",
  "category_id",
  "brand",
  "variant",
  "quantity",
  "unit_price",
  "total",
  "currency",
  "country",
  "coupon",
  "event_type",
  "session_id",
  "post_id",
  "author",
  "text",
  "sentiment",
  "reach",
] as const;
export type ColumnRole = (typeof columnRoles)[number];

/**
 * What a row is. `order_lines`: rows of one order are gathered over the whole file. `orders`: a row states a whole
 * order. `transactions`: a row is an order without an id of its own. `web_events`, `posts`: a row is an event.
 */
export type RowShape = "order_lines" | "orders" | "transactions" | "web_events" | "posts";

export interface Layout {
  readonly name: string;
  readonly title: string;
  readonly shape: RowShape;
  /** Header names of each column; compared without case, spaces, dots, dashes and underscores. */
  readonly columns: Readonly<Partial<Record<ColumnRole, readonly string[]>>>;
  /** Without these columns the file is not of this layout. Of an inner list one is enough. */
  readonly required: readonly (ColumnRole | readonly ColumnRole[])[];
  /** Columns that equal rows share: rows that agree in them are looked at together. */
  readonly keyedBy: readonly ColumnRole[];
  /** The currency of the amounts where neither the file nor an option says it. */
  readonly currency?: string;
  /** An order id that starts with this is a refund by its own id, and names no order. */
  readonly refundPrefix?: string;
  /** How `1/2/2010` is read without an option; where absent such a date is refused. */
  readonly slashDates?: "mdy" | "dmy";
  /** Columns by position, for files without a header. */
  readonly positions?: readonly ColumnRole[];
  /** The layout never has a header. */
  readonly headerless?: boolean;
  readonly whitespace?: boolean;
  readonly platform?: string;
}

const uciRequired = [
  "order_id",
  "product_id",
  "name",
  "quantity",
  "occurred_at",
  "unit_price",
  "customer_id",
  "country",
] as const;

/** What UCI's two files have in common: all but the names of some columns. */
const uciInvoices = {
  shape: "order_lines",
  required: uciRequired,
  keyedBy: ["order_id"],
  currency: "GBP",
  refundPrefix: "C",
  slashDates: "mdy",
  positions: uciRequired,
} as const;

export const layouts: readonly Layout[] = [
  {
    name: "online_retail",
    title: "UCI Online Retail",
    ...uciInvoices,
    columns: {
      order_id: ["InvoiceNo"],
      product_id: ["StockCode"],
      name: ["Description"],
      quantity: ["Quantity"],
      occurred_at: ["InvoiceDate"],
      unit_price: ["UnitPrice"],
      customer_id: ["CustomerID"],
      country: ["Country"],
    },
  },
  {
    name: "online_retail_ii",
    title: "UCI Online Retail II",
    ...uciInvoices,
    columns: {
      order_id: ["Invoice"],
      product_id: ["StockCode"],
      name: ["Description"],
      quantity: ["Quantity"],
      occurred_at: ["InvoiceDate"],
      unit_price: ["Price"],
      customer_id: ["Customer ID"],
      country: ["Country"],
    },
  },
  {
    name: "cdnow",
    title: "CDNOW master",
    shape: "transactions",
    columns: {
      customer_id: ["customer_id"],
      occurred_at: ["date"],
      quantity: ["number_of_cds"],
      total: ["dollar_value"],
    },
    required: ["customer_id", "occurred_at", "quantity", "total"],
    keyedBy: ["customer_id", "occurred_at"],
    currency: "USD",
    whitespace: true,
    positions: ["customer_id", "occurred_at", "quantity", "total"],
  },
  {
    name: "cdnow_sample",
    title: "CDNOW 1/10 sample (master id, sample id, date, CDs, dollars; no header)",
    shape: "transactions",
    columns: {},
    required: ["customer_id", "occurred_at", "quantity", "total"],
    keyedBy: ["customer_id", "occurred_at"],
    currency: "USD",
    whitespace: true,
    headerless: true,
    // The second column is the customer's number within the sample. It says nothing that the first does not.
    positions: ["customer_id", "session_id", "occurred_at", "quantity", "total"],
  },
  {
    name: "rees46",
    title: "REES46 shop events",
    shape: "web_events",
    columns: {
      occurred_at: ["event_time"],
      event_type: ["event_type"],
      product_id: ["product_id"],
      category_id: ["category_id"],
      category: ["category_code"],
      brand: ["brand"],
      unit_price: ["price"],
      customer_id: ["user_id"],
      session_id: ["user_session"],
    },
    required: ["occurred_at", "event_type", "product_id", "unit_price", "customer_id", "session_id"],
    keyedBy: ["customer_id", "product_id"],
    currency: "USD",
  },
  {
    name: "airline_tweets",
    title: "labelled tweets about airlines",
    shape: "posts",
    columns: {
      post_id: ["tweet_id"],
      sentiment: ["airline_sentiment"],
      brand: ["airline"],
      author: ["name"],
      reach: ["retweet_count"],
      text: ["text"],
      occurred_at: ["tweet_created"],
    },
    required: ["post_id", "sentiment", "brand", "author", "text", "occurred_at"],
    keyedBy: ["post_id"],
    platform: "twitter",
  },
  {
    name: "order_lines",
    title: "order lines, one row a line",
    shape: "order_lines",
    columns: {
      order_id: ["order_id", "order_no", "order_number", "order", "invoice_no", "invoice_id", "invoice"],
      customer_id: ["customer_id", "customer", "customer_no", "client_id", "user_id"],
      occurred_at: ["ordered_at", "occurred_at", "order_date", "date", "created_at", "timestamp", "invoice_date"],
      product_id: ["product_id", "item_id", "stock_code"],
      sku: ["sku"],
      name: ["name", "product_name", "description", "title"],
      category: ["category", "product_category"],
      brand: ["brand"],
      variant: ["variant"],
      quantity: ["quantity", "qty", "units"],
      unit_price: ["unit_price", "price", "item_price"],
      currency: ["currency"],
      country: ["country"],
      coupon: ["coupon", "coupon_code"],
    },
    required: ["order_id", "occurred_at", "quantity", "unit_price", ["product_id", "sku", "name"]],
    keyedBy: ["order_id"],
  },
  {
    name: "orders",
    title: "orders, one row an order",
    shape: "orders",
    columns: {
      order_id: ["order_id", "order_no", "order_number", "order", "invoice_no", "invoice_id", "invoice"],
      customer_id: ["customer_id", "customer", "customer_no", "client_id", "user_id"],
      occurred_at: ["ordered_at", "occurred_at", "order_date", "date", "created_at", "timestamp", "invoice_date"],
      total: ["total", "order_total", "total_price", "amount", "revenue", "value"],
      currency: ["currency"],
      country: ["country"],
      coupon: ["coupon", "coupon_code"],
    },
    required: ["order_id", "occurred_at", "total"],
    keyedBy: ["order_id"],
  },
];

export const layoutNames = layouts.map((layout) => layout.name);

export const layoutNamed = (name: string): Layout | undefined => layouts.find((layout) => layout.name === name);
