/** Why an event or a row was refused. Codes are stable; messages name the field and what was expected. */
export const reasonCodes = [
  "invalid_json", // the row or event is not JSON
  "invalid_event", // the event is not an object of a known call
  "invalid_field", // a field has the wrong type or value
  "missing_field",
  "unknown_currency",
  "no_exchange_rate", // a known currency without a rate to the reporting currency
  "future_time", // more than a day ahead of the server's clock
  "invalid_time",
  "amount_out_of_range",
  "too_large", // an event over 900 KB, an order over 10,000 lines or 900 KB
  "malformed_row", // wrong number of fields, stray quote
  "invalid_encoding",
  "unreadable_record", // a stream record that cannot be parsed
  "conversion_failed", // Parquet conversion refused it
  "unknown_layout", // a file whose header is of no known layout
  "customer_erased", // the person was erased; the original bytes are not kept
  "unreadable_file", // a file that is not what it says: binary, broken gzip, a damaged workbook
] as const;
export type ReasonCode = (typeof reasonCodes)[number];

export interface Refusal {
  readonly code: ReasonCode;
  /** Path of the field, e.g. `properties.products[3].price`; absent when the whole row or event is wrong. */
  readonly field?: string;
  /** One sentence for a person. Never holds the value of a personal field. */
  readonly message: string;
}
