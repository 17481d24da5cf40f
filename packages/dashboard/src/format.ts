/** Numbers, money and dates in the reader's locale. */
const locale = navigator.language;

const formats = new Map<string, Intl.NumberFormat>();
const format = (key: string, options: Intl.NumberFormatOptions): Intl.NumberFormat => {
  const known = formats.get(key);
  if (known !== undefined) return known;
  const made = new Intl.NumberFormat(locale, options);
  formats.set(key, made);
  return made;
};

const digitsOf = (currency: string): number =>
  format(currency, { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 2;

export const count = (value: number): string => format("count", { maximumFractionDigits: 0 }).format(value);
export const decimal = (value: number, digits = 2): string =>
  format(`decimal${digits}`, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
export const percent = (value: number, digits = 1): string =>
  format(`percent${digits}`, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits }).format(
    value,
  );

/** The amount in whole units: 1234 minor units of GBP are 12.34. */
export const major = (minor: number, currency: string): number => minor / 10 ** digitsOf(currency);

/** To the last minor unit. */
export const money = (minor: number, currency: string): string =>
  format(currency, { style: "currency", currency }).format(major(minor, currency));

/** Short, for tiles and axes: £1.2M. */
export const shortMoney = (minor: number, currency: string): string =>
  format(`${currency} short`, {
    style: "currency",
    currency,
    notation: "compact",
    minimumFractionDigits: 0,
    maximumFractionDigits: 1,
  }).format(major(minor, currency));

/** The amount as a plain decimal for CSV, whatever the locale. */
export const plainMoney = (minor: number, currency: string): string =>
  major(minor, currency).toFixed(digitsOf(currency));

const dateFormat = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone: "UTC" });
const monthFormat = new Intl.DateTimeFormat(locale, { year: "numeric", month: "short", timeZone: "UTC" });
const instantFormat = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const relativeFormat = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });

/** A day `YYYY-MM-DD`. */
export const day = (text: string): string => dateFormat.format(new Date(`${text}T00:00:00Z`));
/** A month, of any day in it. */
export const month = (text: string): string => monthFormat.format(new Date(`${text.slice(0, 7)}-01T00:00:00Z`));
/** An instant, in the reader's own time zone. */
export const instant = (value: string | number): string => instantFormat.format(new Date(value));

export const ago = (value: string | number, now = Date.now()): string => {
  const seconds = Math.round((new Date(value).getTime() - now) / 1000);
  const size = Math.abs(seconds);
  if (size < 60) return relativeFormat.format(seconds, "second");
  if (size < 3600) return relativeFormat.format(Math.round(seconds / 60), "minute");
  if (size < 86_400) return relativeFormat.format(Math.round(seconds / 3600), "hour");
  return relativeFormat.format(Math.round(seconds / 86_400), "day");
};
