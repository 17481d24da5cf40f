/** Exact decimal money. Amounts are integer minor units; unit prices keep their decimals as scaled integers. */

/** `units × 10^-scale`, exact. */
export interface Decimal {
  readonly units: bigint;
  readonly scale: number;
}

const DECIMAL = /^([+-])?(\d{1,18})(?:\.(\d{0,12}))?$|^([+-])?\.(\d{1,12})$/;

/** Parses a plain decimal: at most 18 digits before and 12 after the point. `undefined` for anything else. */
export const parseDecimal = (text: string): Decimal | undefined => {
  const match = DECIMAL.exec(text);
  if (match === null) return undefined;
  const fraction = match[3] ?? match[5] ?? "";
  const digits = BigInt((match[2] ?? "") + fraction);
  return { units: (match[1] ?? match[4]) === "-" ? -digits : digits, scale: fraction.length };
};

/** The decimal that a JSON number was written as: the shortest text that reads back as the same double. */
export const decimalOf = (value: number): Decimal | undefined => {
  if (!Number.isFinite(value)) return undefined;
  const text = String(value);
  // More decimals than money has are the noise of binary arithmetic: 0.1 + 0.2 is 0.30000000000000004.
  return (text.includes("e") ? undefined : parseDecimal(text)) ?? parseDecimal(value.toFixed(12));
};

/** Rounds half away from zero to an integer of 10^-digits. */
export const roundTo = ({ units, scale }: Decimal, digits: number): bigint => {
  if (scale <= digits) return units * 10n ** BigInt(digits - scale);
  const divisor = 10n ** BigInt(scale - digits);
  const half = divisor / 2n;
  return units < 0n ? -((-units + half) / divisor) : (units + half) / divisor;
};

export const multiply = (a: Decimal, b: Decimal): Decimal => ({ units: a.units * b.units, scale: a.scale + b.scale });

/** A bigint as a number, or `undefined` when it is not a safe integer. */
const safe = (value: bigint): number | undefined => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
};

/**
 * An amount as integer minor units of a currency with `digits` decimals, half away from zero.
 * `undefined` where the amount is not a plain decimal or the result is beyond 2^53.
 */
export const toMinor = (amount: number | string, digits: number): number | undefined => {
  if (typeof amount === "number") {
    // The usual case without bigints: the nearest hundredth *is* the number that was written.
    const scaled = Math.round(amount * 10 ** digits);
    if (scaled / 10 ** digits === amount && Number.isSafeInteger(scaled)) return scaled === 0 ? 0 : scaled;
  }
  const decimal = typeof amount === "number" ? decimalOf(amount) : parseDecimal(amount);
  return decimal === undefined ? undefined : safe(roundTo(decimal, digits));
};

/** quantity × unit price in minor units, half away from zero, computed exactly. */
export const lineMinor = (
  quantity: number | string,
  unitPrice: number | string,
  digits: number,
): number | undefined => {
  if (typeof quantity === "number" && typeof unitPrice === "number" && Number.isSafeInteger(quantity)) {
    const priceMinor = Math.round(unitPrice * 10 ** digits);
    const product = priceMinor * quantity;
    if (priceMinor / 10 ** digits === unitPrice && Number.isSafeInteger(product)) return product === 0 ? 0 : product;
  }
  const a = typeof quantity === "number" ? decimalOf(quantity) : parseDecimal(quantity);
  const b = typeof unitPrice === "number" ? decimalOf(unitPrice) : parseDecimal(unitPrice);
  return a === undefined || b === undefined ? undefined : safe(roundTo(multiply(a, b), digits));
};

/** Minor units of one currency in another at `rate` (reporting units per unit of the order's currency). */
export const convertMinor = (
  amountMinor: number,
  rate: number,
  fromDigits: number,
  toDigits: number,
): number | undefined => {
  if (rate === 1 && fromDigits === toDigits) return amountMinor;
  const factor = decimalOf(rate);
  if (factor === undefined) return undefined;
  return safe(roundTo(multiply({ units: BigInt(amountMinor), scale: fromDigits }, factor), toDigits));
};

/**
 * Minor units of ISO 4217 (list one) other than 2. CLDR's digits, which Intl answers with, are those of cash in
 * circulation: it gives HUF, IDR and COP none, and a price of 1,990.50 Ft would lose its decimals.
 */
const digitsOtherThanTwo: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(" ").map((code) => [code, 0]),
  ),
  ...Object.fromEntries("BHD IQD JOD KWD LYD OMR TND".split(" ").map((code) => [code, 3])),
};

/** ISO 4217 alphabetic codes known to this runtime, with the number of decimals of each. */
const digitsByCurrency = new Map<string, number>(
  Intl.supportedValuesOf("currency").map((code) => [code, digitsOtherThanTwo[code] ?? 2]),
);

/** Decimals of an ISO 4217 currency (JPY 0, EUR 2, KWD 3); `undefined` for a code that is not one. */
export const currencyDigits = (code: string): number | undefined => digitsByCurrency.get(code);

/** Dated exchange rates: reporting units per unit of `currency`, valid from a date on. */
export interface RateTable {
  readonly reportingCurrency: string;
  /** currency → ISO date → rate. */
  readonly rates: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** The rate in force at an instant: that of the latest date not after it. 1 for the reporting currency itself. */
export const rateAt = (table: RateTable, currency: string, atMs: number): number | undefined => {
  if (currency === table.reportingCurrency) return 1;
  const byDate = Object.hasOwn(table.rates, currency) ? table.rates[currency] : undefined;
  if (byDate === undefined) return undefined;
  const day = new Date(atMs).toISOString().slice(0, 10);
  let best: string | undefined;
  for (const date of Object.keys(byDate)) if (date <= day && (best === undefined || date > best)) best = date;
  return best === undefined ? undefined : byDate[best];
};
