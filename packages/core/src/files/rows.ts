/** A row of an order file as the domain sees it: the order it belongs to, its canonical text, its line. */
import { hash } from "node:crypto";
import type { Pseudonymizer } from "../ids.ts";
import type { RateTable } from "../money.ts";
import { currencyDigits, lineMinor, rateAt, toMinor } from "../money.ts";
import type { Refusal } from "../reasons.ts";
import type { ColumnIndexes } from "./header.ts";
import type { ColumnRole, Layout } from "./layouts.ts";
import type { DateForms } from "./values.ts";
import { LARGEST, parseId, parseNumber, parseTime } from "./values.ts";

/** Everything but the row itself that decides how a row is read. The same for every run over one upload. */
export interface RowContext {
  readonly source: string;
  readonly layout: Layout;
  readonly columns: ColumnIndexes;
  readonly pseudonyms: Pseudonymizer;
  readonly rates: RateTable;
  readonly decimalComma: boolean;
  readonly dates: DateForms;
  /** Where the file has no currency column. */
  readonly currency: string;
  /** Rows after this instant are from the future. Epoch milliseconds. */
  readonly latestMs: number;
}

/** What the rows of an order have in common: mostly one object for all of them. */
export interface RowHead {
  readonly orderId: string;
  /** "" for a row without a customer. */
  readonly customerKey: string;
  readonly occurredAtMs: number;
  readonly currency: string;
  readonly country: string | undefined;
  readonly coupon: string | undefined;
  /** Of all that is above, as the file itself says it. */
  readonly digest: string;
}

export interface OrderRow {
  readonly head: RowHead;
  /** Digest of source, order and normalised values: equal rows have equal ones, however the file wrote them. */
  readonly identity: string;
  /** Of a line file: the members of its line as JSON, but for its id, its time and its total. */
  readonly line: string | undefined;
  /** Minor units: of the line, or what a row that states a whole order states. */
  readonly totalMinor: number;
}

export const SEPARATOR = "\u001f";

const headRoles = ["order_id", "occurred_at", "country", "coupon", "currency", "customer_id"] as const;

const LONGEST: Partial<Record<ColumnRole, number>> = {
  order_id: 256,
  product_id: 256,
  sku: 256,
  name: 1024,
  category: 512,
  category_id: 512,
  brand: 256,
  variant: 256,
  country: 64,
  coupon: 256,
  session_id: 128,
  post_id: 256,
  sentiment: 16,
};

/** Reads fields of rows by role, and remembers what the last row had: neighbours share dates, customers and countries. */
export class FieldReader {
  readonly context: RowContext;
  #lastTime = "";
  #lastTimeMs: number | undefined;
  #lastCustomer = "";
  #lastCustomerKey = "";
  #lastHead: RowHead | Refusal | undefined;
  readonly #headColumns: readonly number[];
  readonly #lastHeadFields: string[] = [];
  readonly #rated = new Set<string>();

  constructor(context: RowContext) {
    this.context = context;
    this.#headColumns = headRoles.flatMap((role) => context.columns[role] ?? []);
  }

  raw(fields: readonly string[], role: ColumnRole): string {
    const index = this.context.columns[role];
    return index === undefined ? "" : (fields[index] ?? "");
  }

  /** A short text, trimmed; `undefined` where it is empty. */
  text(fields: readonly string[], role: ColumnRole): string | undefined | Refusal {
    const index = this.context.columns[role];
    const value = index === undefined ? "" : (fields[index] ?? "").trim();
    if (value === "") return undefined;
    const longest = LONGEST[role];
    return longest !== undefined && value.length > longest
      ? invalid(role, `has ${value.length} characters; at most ${longest} are kept`)
      : value;
  }

  number(fields: readonly string[], role: ColumnRole): number | Refusal {
    const value = this.raw(fields, role);
    const number = parseNumber(value, this.context.decimalComma);
    if (number === undefined)
      return value.trim() === "" ? missing(role) : invalid(role, "is not a number with the expected decimal sign");
    return Math.abs(number) >= LARGEST
      ? { code: "amount_out_of_range", field: role, message: `${role} is beyond ${LARGEST.toExponential()}.` }
      : number;
  }

  time(fields: readonly string[]): number | Refusal {
    const text = this.raw(fields, "occurred_at");
    if (text !== this.#lastTime || this.#lastTimeMs === undefined) {
      this.#lastTime = text;
      this.#lastTimeMs = parseTime(text.trim(), this.context.dates);
    }
    const ms = this.#lastTimeMs;
    if (ms === undefined)
      return text.trim() === ""
        ? missing("occurred_at")
        : {
            code: "invalid_time",
            field: "occurred_at",
            message:
              "The time is not a date that this layout knows. ISO 8601 always works; for 1/2/2010 set date_format to mdy or dmy.",
          };
    return ms > this.context.latestMs
      ? { code: "future_time", field: "occurred_at", message: "The time is more than a day in the future." }
      : ms;
  }

  /** "" where the row names no customer. */
  customer(fields: readonly string[]): string {
    const text = this.raw(fields, "customer_id");
    if (text === this.#lastCustomer) return this.#lastCustomerKey;
    const id = parseId(text);
    this.#lastCustomer = text;
    return (this.#lastCustomerKey = id === undefined ? "" : this.context.pseudonyms.customer(id));
  }

  /** Of a row of the shapes `order_lines` and `orders`. */
  head(fields: readonly string[]): RowHead | Refusal {
    const columns = this.#headColumns;
    const last = this.#lastHeadFields;
    let same = this.#lastHead !== undefined;
    for (let index = 0; index < columns.length; index++) {
      const text = fields[columns[index]!]!;
      if (text === last[index]) continue;
      last[index] = text;
      same = false;
    }
    return same ? this.#lastHead! : (this.#lastHead = this.#readHead(fields));
  }

  #readHead(fields: readonly string[]): RowHead | Refusal {
    const orderId = parseId(this.raw(fields, "order_id"));
    if (orderId === undefined) return missing("order_id");
    if (orderId.length > LONGEST.order_id!) return invalid("order_id", "is longer than 256 characters");
    const occurredAtMs = this.time(fields);
    if (typeof occurredAtMs !== "number") return occurredAtMs;
    const country = this.text(fields, "country");
    if (isRefusal(country)) return country;
    const coupon = this.text(fields, "coupon");
    if (isRefusal(coupon)) return coupon;
    const currency = this.currency(fields, occurredAtMs);
    if (typeof currency !== "string") return currency.refusal;
    const customerKey = this.customer(fields);
    // A currency that an option gave is not part of the row: the same file with another option is the same rows. The
    // customer goes in by key: a digest of few unknowns is no secret.
    const values = [
      this.context.source,
      orderId,
      customerKey,
      occurredAtMs,
      country ?? "",
      this.raw(fields, "currency") === "" ? "" : currency,
      coupon ?? "",
    ];
    return { orderId, customerKey, occurredAtMs, currency, country, coupon, digest: rowDigest(values.join(SEPARATOR)) };
  }

  /** The currency of a row, with a rate to the reporting currency at its time. */
  currency(fields: readonly string[], atMs: number): string | { refusal: Refusal } {
    const code = this.raw(fields, "currency").trim().toUpperCase() || this.context.currency;
    if (code === this.context.rates.reportingCurrency) return code;
    const day = `${code}${Math.floor(atMs / 86_400_000)}`;
    if (this.#rated.has(day)) return code;
    if (currencyDigits(code) === undefined)
      return { refusal: { code: "unknown_currency", field: "currency", message: "The currency is not in ISO 4217." } };
    if (rateAt(this.context.rates, code, atMs) === undefined)
      return {
        refusal: {
          code: "no_exchange_rate",
          field: "currency",
          message: `There is no rate from ${code} to ${this.context.rates.reportingCurrency} at the time of this row.`,
        },
      };
    if (this.#rated.size > 20_000) this.#rated.clear();
    this.#rated.add(day);
    return code;
  }
}

export const isRefusal = (value: unknown): value is Refusal =>
  typeof value === "object" && value !== null && "code" in value;

export const missing = (role: ColumnRole): Refusal => ({
  code: "missing_field",
  field: role,
  message: `${role} is empty.`,
});

export const invalid = (role: ColumnRole, what: string): Refusal => ({
  code: "invalid_field",
  field: role,
  message: `${role} ${what}.`,
});

const optional = ["product_id", "sku", "name", "category", "brand", "variant"] as const;

/** A row of the shapes `order_lines` and `orders`. The first fault decides: the row is refused whole. */
export const readOrderRow = (reader: FieldReader, fields: readonly string[]): OrderRow | Refusal => {
  const head = reader.head(fields);
  if ("code" in head) return head;
  const digits = currencyDigits(head.currency) ?? 2;
  if (reader.context.layout.shape === "orders") {
    const total = reader.number(fields, "total");
    if (typeof total !== "number") return total;
    const totalMinor = toMinor(total, digits);
    if (totalMinor === undefined) return invalid("total", "is not an amount");
    return { head, identity: rowDigest(`${head.digest}${total}`), line: undefined, totalMinor };
  }
  const quantity = reader.number(fields, "quantity");
  if (typeof quantity !== "number") return quantity;
  const unitPrice = reader.number(fields, "unit_price");
  if (typeof unitPrice !== "number") return unitPrice;
  const totalMinor = lineMinor(quantity, unitPrice, digits);
  if (totalMinor === undefined)
    return { code: "amount_out_of_range", field: "quantity", message: "quantity × unit_price is beyond 2^53." };
  // The line's total is not part of its identity: it depends on a currency that an option may have given.
  let line = `"quantity":${quantity},"unit_price":${unitPrice}`;
  for (const role of optional) {
    const value = reader.text(fields, role);
    if (value === undefined) continue;
    if (typeof value !== "string") return value;
    line += `,"${role}":${jsonText(value)}`;
  }
  return { head, identity: rowDigest(head.digest + line), line, totalMinor };
};

const PLAIN_TEXT = /^[ !#-[\]-~]*$/;

/** A text as JSON. Most texts have nothing to escape. */
const jsonText = (text: string): string => (PLAIN_TEXT.test(text) ? `"${text}"` : JSON.stringify(text));

/** 132 bits of SHA-256. Short: every line of every order carries one to the lake. */
const rowDigest = (canonical: string): string => hash("sha256", canonical, "base64url").slice(0, 22);
