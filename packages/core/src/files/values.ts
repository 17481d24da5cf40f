/** Values as files write them: numbers with either decimal sign, dates in the forms that exports use, ids. */

const PLAIN_NUMBER = /^[+-]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})$/;
const GROUPED_BY_COMMA = /^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?$/;
const GROUPED_BY_POINT = /^[+-]?\d{1,3}(?:\.\d{3})+(?:,\d*)?$/;
const SCIENTIFIC = /^[+-]?\d(?:\.\d{1,17})?E[+-]?\d{1,2}$/i;

/**
 * The number that a text is, rounded to the six decimals that the lake keeps. `undefined` for anything else: units,
 * words, hexadecimal, two decimal signs. One currency sign in front or behind is let through.
 */
export const parseNumber = (text: string, decimalComma: boolean): number | undefined => {
  let plain = text;
  if (!decimalComma && PLAIN_NUMBER.test(plain)) return rounded(plain);
  plain = plain.trim().replace(/^([+-]?)\p{Sc}\s?|\s?\p{Sc}$/u, "$1");
  if (decimalComma) {
    if (GROUPED_BY_POINT.test(plain)) plain = plain.replaceAll(".", "");
    else if (plain.includes(".")) return undefined;
    plain = plain.replace(",", ".");
  } else if (GROUPED_BY_COMMA.test(plain)) plain = plain.replaceAll(",", "");
  return PLAIN_NUMBER.test(plain) || SCIENTIFIC.test(plain) ? rounded(plain) : undefined;
};

/** Amounts and quantities have at most twelve digits before the point (the lake's decimal(18,6)). */
export const LARGEST = 1e12;

const rounded = (plain: string): number => {
  const value = Number(plain);
  const point = plain.indexOf(".");
  const kept = point === -1 || plain.length - point <= 7 ? value : Math.round(value * 1e6) / 1e6;
  return kept === 0 ? 0 : kept;
};

/** `17850.0` is what a table with gaps makes of 17850. Empty and the marks of a missing value are `undefined`. */
export const parseId = (text: string): string | undefined => {
  const id = text.trim();
  if (id === "" || id === "NaN" || id === "nan" || id === "NULL" || id === "null") return undefined;
  return id.length > 2 && id.endsWith("0") && /^\d+\.0+$/.test(id) ? id.slice(0, id.indexOf(".")) : id;
};

export interface DateForms {
  /** How `1/2/2010` is read; without it such a date is refused. */
  readonly slashes?: "mdy" | "dmy" | undefined;
  /** Plain numbers are Excel's days since 1900 or 1904. */
  readonly serials?: 1900 | 1904 | undefined;
}

const ISO =
  /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?$/i;
const COMPACT = /^(\d{4})(\d{2})(\d{2})$/;
const SLASHED =
  /^(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?:,?[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(?:\s?([AP])M)?)?$/i;
const SERIAL = /^\d{1,6}(?:\.\d+)?$/;

/**
 * Epoch milliseconds of a date as files write it; times without a zone are UTC. `undefined` where it is not a date,
 * and where `1/2/2010` could be two (no order given). Dates with dots are day first everywhere.
 */
export const parseTime = (text: string, forms: DateForms): number | undefined => {
  const iso = ISO.exec(text);
  if (iso !== null) return epoch(iso[1]!, iso[2]!, iso[3]!, iso[4], iso[5], iso[6], iso[7], offsetMinutes(iso[8]));
  if (forms.serials !== undefined && SERIAL.test(text)) return fromSerial(Number(text), forms.serials === 1904);
  const compact = COMPACT.exec(text);
  if (compact !== null) return epoch(compact[1]!, compact[2]!, compact[3]!);
  const slashed = SLASHED.exec(text);
  if (slashed === null) return undefined;
  const [, first, mark, second, yearText, hourText, minute, second2, fraction, half] = slashed;
  const dayFirst = mark === "." || forms.slashes === "dmy";
  if (!dayFirst && forms.slashes !== "mdy") return undefined;
  const short = Number(yearText);
  const year = yearText!.length === 4 ? yearText! : String(short + (short < 70 ? 2000 : 1900));
  let hour = hourText;
  if (half !== undefined) {
    const twelve = Number(hourText);
    if (twelve < 1 || twelve > 12) return undefined;
    hour = String((twelve % 12) + (half.toUpperCase() === "P" ? 12 : 0));
  }
  return epoch(year, dayFirst ? second! : first!, dayFirst ? first! : second!, hour, minute, second2, fraction);
};

const offsetMinutes = (zone: string | undefined): number => {
  if (zone === undefined || !/^[+-]/.test(zone)) return 0;
  const digits = zone.slice(1).replace(":", "").padEnd(4, "0");
  return (zone.startsWith("-") ? -1 : 1) * (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2)));
};

const epoch = (
  year: string,
  month: string,
  day: string,
  hour = "0",
  minute = "0",
  second = "0",
  fraction = "",
  offset = 0,
): number | undefined => {
  const h = Number(hour);
  const m = Number(minute);
  const s = Number(second);
  if (h > 23 || m > 59 || s > 59 || Number(year) < 1900) return undefined;
  const ms = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    h,
    m,
    s,
    Number(fraction.padEnd(3, "0").slice(0, 3)),
  );
  // 30 February would roll over into March.
  const date = new Date(ms);
  if (date.getUTCDate() !== Number(day) || date.getUTCMonth() !== Number(month) - 1) return undefined;
  return ms - offset * 60_000;
};

/** Excel counts days from 1899-12-30 (or 1904-01-01); its doubles hold a second, not always a millisecond. */
const fromSerial = (serial: number, from1904: boolean): number | undefined => {
  const days = from1904 ? serial + 1462 : serial;
  if (days < 367 || days > 110_000) return undefined; // 1901 to 2201
  return Math.round((days - 25_569) * 86_400) * 1000;
};
