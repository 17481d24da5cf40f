/**
 * Bestsellers, and what rises or falls against its own past. The past of a period is the windows of its length before it,
 * up to eight, from the window of the first sale on; at least three are needed.
 *
 * The change of a product is (now − median of the past) ÷ scale, where scale is 1.4826 × the median absolute deviation of
 * the past (which equals the standard deviation for a normal one; Hampel 1974), but at least a tenth of the median and at
 * least `LEAST_SCALE_SHARE` of the mean net of all products in the period: a product that sold nothing and then two does
 * not rise without bound.
 */
import type { Dialect } from "@ebb/lake/dialect";
import { dateLiteral, dayOf, instantMs } from "@ebb/lake/batch/literals";
import { type MartRow, numberOf } from "./mart-handler.ts";
import { withinDays } from "./sales-sql.ts";

export const WINDOWS = 8;
export const LEAST_WINDOWS = 3;
const MAD_TO_SIGMA = 1.4826;
const LEAST_SCALE_SHARE = 0.25;
/** Products that are looked at for a change: those whose net differs most from the mean of their past. */
export const CANDIDATES = 1_000;
const DAY_MS = 86_400_000;

/** A product goes by its name, so that one name under several ids is one; without a name by its id. */
const IDENTITY = "CASE WHEN name <> '' THEN name ELSE product_id END";

const describing = `
  min(product_id) AS product_id, max(name) AS name, max(category) AS category`;

export interface ProductsQuestion {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly country?: string | undefined;
  readonly category?: string | undefined;
}

const inCategory = ({ category }: ProductsQuestion, m: Dialect): string =>
  category === undefined ? "true" : `category = ${m.textLiteral(category)}`;

export const bestsellersSql = (
  m: Dialect,
  question: ProductsQuestion & { readonly order: "net" | "units"; readonly limit: number },
): string => `
SELECT ${describing},
  sum(lines) AS lines, sum(units) AS units, sum(net_minor) AS net_minor
FROM product_sales_daily
WHERE ${withinDays("day", question)} AND ${inCategory(question, m)}
GROUP BY ${IDENTITY}
-- By number: to Trino a name here is the column of the answer, of which there is no sum.
ORDER BY ${question.order === "net" ? 6 : 5} DESC, 1, 2
LIMIT ${question.limit}`;

/** Net by window: `w0` the period, `w1` the window before it, …; `windows` counts those since the first sale. */
export const windowsSql = (
  m: Dialect,
  question: ProductsQuestion & { readonly from: string; readonly to: string },
): string => {
  const [fromMs, toMs] = [instantMs(question.from), instantMs(question.to)];
  const days = Math.round((toMs - fromMs) / DAY_MS);
  const oldestMs = fromMs - WINDOWS * days * DAY_MS;
  const window = m.intDiv(`${m.daysBetween("day", dateLiteral(toMs))} - 1`, String(days));
  const sums = Array.from(
    { length: WINDOWS + 1 },
    (_, back) => `sum(CASE WHEN back = ${back} THEN net_minor ELSE 0 END) AS w${back}`,
  );
  const past = Array.from({ length: WINDOWS }, (_, back) => `w${back + 1}`).join(" + ");
  // In two steps: the first makes some thousand rows of a million, so that the second has few to spread over windows.
  return `
WITH windowed AS (
  SELECT product_id, name, category, lines, units, net_minor, ${window} AS back
  FROM product_sales_daily
  WHERE ${withinDays("day", { ...question, from: dayOf(oldestMs) })} AND ${inCategory(question, m)}
),
by_window AS (
  SELECT
    product_id, name, back, max(category) AS category,
    sum(lines) AS lines, sum(units) AS units, sum(net_minor) AS net_minor
  FROM windowed
  GROUP BY product_id, name, back
),
summed AS (
  SELECT ${describing},
    sum(CASE WHEN back = 0 THEN lines ELSE 0 END) AS lines,
    sum(CASE WHEN back = 0 THEN units ELSE 0 END) AS units,
    ${sums.join(",\n    ")},
    max(back) AS windows
  FROM by_window
  GROUP BY ${IDENTITY}
)
SELECT * FROM summed
WHERE windows >= ${LEAST_WINDOWS}
ORDER BY abs(w0 - CAST(${past} AS double) / windows) DESC, product_id, name
LIMIT ${CANDIDATES}`;
};

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

/** Robust z-score of the newest window against those before it. @param leastScale minor units */
export const changeOf = (now: number, past: readonly number[], leastScale: number): number => {
  const middle = median(past);
  const deviation = MAD_TO_SIGMA * median(past.map((value) => Math.abs(value - middle)));
  return (now - middle) / Math.max(deviation, Math.abs(middle) / 10, leastScale, 1);
};

/** The rows of `windowsSql` with their change, the largest in the asked direction first. */
export const changed = (
  rows: readonly MartRow[],
  direction: "rising" | "falling",
  limit: number,
): { readonly row: MartRow; readonly netMinor: number; readonly change: number }[] => {
  const sign = direction === "rising" ? 1 : -1;
  const nets = rows.map((row) => numberOf(row["w0"]));
  const mean = nets.reduce((sum, net) => sum + Math.abs(net), 0) / Math.max(1, nets.length);
  return rows
    .map((row, index) => {
      const past = Array.from({ length: numberOf(row["windows"]) }, (_, back) => numberOf(row[`w${back + 1}`]));
      return { row, netMinor: nets[index]!, change: changeOf(nets[index]!, past, LEAST_SCALE_SHARE * mean) };
    })
    .filter(({ change }) => sign * change > 0)
    .sort((a, b) => sign * (b.change - a.change))
    .slice(0, limit);
};
