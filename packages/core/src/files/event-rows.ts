/** Rows that are events of their own: transactions without an order id, shop events, posts. */
import { digest, eventIdOf } from "../ids.ts";
import type { EventKind } from "../kinds.ts";
import { authorKeyOf } from "../identity.ts";
import { STREAM_SCHEMA_VERSION, kindNames } from "../kinds.ts";
import { convertMinor, currencyDigits, rateAt, toMinor } from "../money.ts";
import { ORDER_RANK } from "../orders.ts";
import type { Refusal } from "../reasons.ts";
import { toneOf } from "../sentiment.ts";
import { maskText } from "../social.ts";
import type { StreamEvent } from "../stream-event.ts";
import type { UnnumberedEvent } from "./file-orders.ts";
import type { FieldReader } from "./rows.ts";
import { SEPARATOR, invalid, isRefusal, missing } from "./rows.ts";

type Fields = Omit<
  StreamEvent,
  "event_id" | "source" | "schema_version" | "received_at" | "receipt_id" | "receipt_number"
>;

export interface EventRow {
  /** Rows of one file with equal texts are told apart by their ordinal, unless they carry an id of their own. */
  readonly canonical: string;
  /** The event's id where the layout has one. */
  readonly ownId: string | undefined;
  /** The row is a purchase that no order id names: the row's id becomes the order's. */
  readonly isOrder: boolean;
  readonly fields: Fields;
}

const customerOf = (key: string) => (key === "" ? {} : { customer_key: key });
const timeOf = (ms: number) => new Date(ms).toISOString();

const named = (kind: EventKind) => ({ kind, name: kindNames[kind] });

/** A row of the shapes `transactions`, `web_events` and `posts`. */
export const readEventRow = (reader: FieldReader, fields: readonly string[]): EventRow | Refusal => {
  const { shape } = reader.context.layout;
  const occurredAtMs = reader.time(fields);
  if (typeof occurredAtMs !== "number") return occurredAtMs;
  if (shape === "transactions") return transaction(reader, fields, occurredAtMs);
  return shape === "posts" ? post(reader, fields, occurredAtMs) : webEvent(reader, fields, occurredAtMs);
};

/** The money of an order that a row states: total in its currency and in the reporting one. */
const money = (reader: FieldReader, fields: readonly string[], total: number, atMs: number) => {
  const currency = reader.currency(fields, atMs);
  if (typeof currency !== "string") return currency.refusal;
  const { rates } = reader.context;
  const digits = currencyDigits(currency) ?? 2;
  const totalMinor = toMinor(total, digits);
  if (totalMinor === undefined) return invalid("total", "is not an amount");
  const reportingMinor = convertMinor(
    totalMinor,
    rateAt(rates, currency, atMs) ?? 1,
    digits,
    currencyDigits(rates.reportingCurrency) ?? 2,
  );
  return {
    currency,
    total_minor: totalMinor,
    reporting_currency: rates.reportingCurrency,
    ...(reportingMinor === undefined ? {} : { reporting_minor: reportingMinor }),
  };
};

const transaction = (reader: FieldReader, fields: readonly string[], atMs: number): EventRow | Refusal => {
  const total = reader.number(fields, "total");
  if (typeof total !== "number") return total;
  const quantity = reader.number(fields, "quantity");
  if (typeof quantity !== "number") return quantity;
  const amounts = money(reader, fields, total, atMs);
  if (isRefusal(amounts)) return amounts;
  const customerKey = reader.customer(fields);
  return {
    canonical: [customerKey, atMs, quantity, total].join(SEPARATOR),
    ownId: undefined,
    isOrder: true,
    fields: {
      ...named("order_completed"),
      occurred_at: timeOf(atMs),
      ...customerOf(customerKey),
      order_rank: ORDER_RANK.file,
      order_version: 1,
      ...amounts,
      quantity,
    },
  };
};

const webKinds: Readonly<Record<string, EventKind>> = {
  view: "product_viewed",
  cart: "product_added",
  remove_from_cart: "product_removed",
  purchase: "order_completed",
};

const webEvent = (reader: FieldReader, fields: readonly string[], atMs: number): EventRow | Refusal => {
  const type = reader.raw(fields, "event_type").trim();
  const kind = Object.hasOwn(webKinds, type) ? webKinds[type] : undefined;
  if (kind === undefined)
    return type === ""
      ? missing("event_type")
      : invalid("event_type", `is none of ${Object.keys(webKinds).join(", ")}`);
  const texts: Partial<Record<"product_id" | "category" | "category_id" | "brand" | "session_id", string>> = {};
  for (const role of ["product_id", "category", "category_id", "brand", "session_id"] as const) {
    const value = reader.text(fields, role);
    if (isRefusal(value)) return value;
    if (value !== undefined) texts[role] = value;
  }
  const { session_id: sessionId, category_id: categoryId, category = categoryId, ...rest } = texts;
  const product = { ...rest, ...(category === undefined ? {} : { category }) };
  // Views of products without a price exist; a purchase without one does not count as money.
  const priceless = reader.raw(fields, "unit_price").trim() === "" && kind !== "order_completed";
  const price = priceless ? undefined : reader.number(fields, "unit_price");
  if (isRefusal(price)) return price;
  const customerKey = reader.customer(fields);
  const shared = {
    ...named(kind),
    occurred_at: timeOf(atMs),
    ...customerOf(customerKey),
    ...(sessionId === undefined ? {} : { session_id: sessionId }),
  };
  const canonical = [
    customerKey,
    atMs,
    type,
    price ?? "",
    sessionId ?? "",
    product.product_id ?? "",
    categoryId ?? "",
    product.category ?? "",
    product.brand ?? "",
  ].join(SEPARATOR);
  if (kind !== "order_completed")
    return {
      canonical,
      ownId: undefined,
      isOrder: false,
      fields: { ...shared, ...product, ...(price === undefined ? {} : { unit_price: price }) },
    };
  const amounts = money(reader, fields, price!, atMs);
  if (isRefusal(amounts)) return amounts;
  return {
    canonical,
    ownId: undefined,
    isOrder: true,
    fields: {
      ...shared,
      order_rank: ORDER_RANK.file,
      order_version: 1,
      ...amounts,
      lines: [{ ...product, quantity: 1, unit_price: price!, total_minor: amounts.total_minor }],
    },
  };
};

/** The same person has the same key in a post that came over HTTP. */
const authorKey = (reader: FieldReader, platform: string, author: string): string =>
  authorKeyOf(platform, author, reader.context.pseudonyms);

const post = (reader: FieldReader, fields: readonly string[], atMs: number): EventRow | Refusal => {
  const { platform = "unknown" } = reader.context.layout;
  const id = reader.text(fields, "post_id");
  if (isRefusal(id)) return id;
  if (id === undefined) return missing("post_id");
  const stated = reader.text(fields, "sentiment");
  if (isRefusal(stated)) return stated;
  const body = maskText(reader.raw(fields, "text")).slice(0, 16_384);
  const tone = stated === undefined ? toneOf(body) : { sentiment: stated };
  const brand = reader.text(fields, "brand");
  if (isRefusal(brand)) return brand;
  const author = reader.raw(fields, "author").trim();
  const reach = reader.raw(fields, "reach").trim() === "" ? undefined : reader.number(fields, "reach");
  if (isRefusal(reach)) return reach;
  if (reach !== undefined && (!Number.isSafeInteger(reach) || reach < 0)) return invalid("reach", "is not a count");
  return {
    canonical: id,
    ownId: id,
    isOrder: false,
    fields: {
      ...named("social_mentioned"),
      occurred_at: timeOf(atMs),
      platform,
      post_id: id,
      ...(author === "" ? {} : { author_key: authorKey(reader, platform, author) }),
      body,
      ...(brand === undefined ? {} : { brand }),
      ...tone,
      ...(reach === undefined ? {} : { reach }),
    },
  };
};

/** @param ordinal among equal rows of the same file, from 0 */
export const eventOf = (
  row: EventRow,
  ordinal: number,
  context: {
    readonly source: string;
    readonly uploadId: string;
    readonly receivedAtMs: number;
  },
): UnnumberedEvent => {
  const rowId = row.ownId === undefined ? digest(context.source, "", row.canonical, ordinal) : "";
  const { lines, ...fields } = row.fields;
  return {
    event_id:
      row.ownId === undefined ? eventIdOf(context.source, "file-row", rowId) : eventIdOf(context.source, row.ownId),
    source: context.source,
    schema_version: STREAM_SCHEMA_VERSION,
    received_at: timeOf(context.receivedAtMs),
    receipt_id: context.uploadId,
    ...fields,
    ...(row.isOrder ? { order_id: rowId } : {}),
    ...(lines === undefined ? {} : { lines: lines.map((line) => ({ line_id: rowId, ...line })) }),
  };
};
