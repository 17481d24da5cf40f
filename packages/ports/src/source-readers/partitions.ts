/** A table in ranges of one field, for readers that read them side by side: every row lies in exactly one. */
import type { SourceField } from "../source-ports.ts";
import type { SqlWords } from "./sql-text.ts";

/** The lowest and the highest value that the database told, in UTC; absent where it has none. */
export interface Bounds {
  readonly low: string;
  readonly high: string;
}

const NUMBER = /^-?\d+$/;
const TIME = /^(\d{4}-\d\d-\d\d)(?: (\d\d:\d\d:\d\d)(?:\.\d+)?)?(?:\+00(?::?00)?)?$/;

/** Whether values of a field can be divided: whole numbers, days, instants. */
export const canDivide = ({ lake }: Pick<SourceField, "lake">): boolean =>
  lake === "int" || lake === "bigint" || lake === "date" || lake === "timestamp" || /^decimal\(\d+,0\)$/.test(lake);

/** Whole numbers by value, times as whole seconds, days as days. */
const asNumber = ({ lake }: Pick<SourceField, "lake">, text: string): bigint | undefined => {
  if (lake !== "date" && lake !== "timestamp") return NUMBER.test(text) ? BigInt(text) : undefined;
  const [, day, time = "00:00:00"] = TIME.exec(text) ?? [];
  const ms = Date.parse(`${day}T${time}Z`);
  return Number.isNaN(ms) ? undefined : BigInt(Math.floor(ms / (lake === "date" ? 86_400_000 : 1_000)));
};

const asText = ({ lake }: Pick<SourceField, "lake">, value: bigint): string => {
  if (lake === "date") return new Date(Number(value) * 86_400_000).toISOString().slice(0, 10);
  if (lake !== "timestamp") return String(value);
  return new Date(Number(value) * 1_000).toISOString().slice(0, 19).replace("T", " ");
};

/**
 * The values at which ranges of about the same width begin, in their order, the first one's left out: at most `count - 1`.
 * None where there is nothing to divide, or where a bound is no value of the calendar (`infinity`, zero dates).
 */
export const cutPoints = (
  field: Pick<SourceField, "lake">,
  bounds: Bounds | undefined,
  count: number,
): readonly string[] => {
  const low = bounds === undefined ? undefined : asNumber(field, bounds.low);
  const high = bounds === undefined ? undefined : asNumber(field, bounds.high);
  if (low === undefined || high === undefined) return [];
  const width = high - low + 1n;
  const cuts = Array.from({ length: count - 1 }, (_, at) => low + (width * BigInt(at + 1)) / BigInt(count));
  return [...new Set(cuts.filter((cut) => cut > low))].map((cut) => asText(field, cut));
};

/**
 * A condition for each range. The first and the last are open: what lies beyond the bounds by now, and what has no value,
 * is read too.
 */
export const rangeConditions = (column: string, cuts: readonly string[], { value }: SqlWords): readonly string[] => {
  if (cuts.length === 0) return ["1 = 1"];
  const literal = (cut: string): string => (NUMBER.test(cut) ? cut : value(cut));
  const from = (cut: string): string => `${column} >= ${literal(cut)}`;
  const below = (cut: string): string => `${column} < ${literal(cut)}`;
  return [
    `${below(cuts[0]!)} OR ${column} IS NULL`,
    ...cuts.slice(1).map((cut, at) => `${from(cuts[at]!)} AND ${below(cut)}`),
    from(cuts.at(-1)!),
  ];
};
