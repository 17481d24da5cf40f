/**
 * From features to the columns of the regression: impute, cut off, take logs, standardise; all limits are fitted on the
 * training rows and kept as plain numbers, so that SQL, ONNX and TypeScript compute the same.
 */
import { cholesky } from "../numeric/cholesky.ts";
import { correlationsOf } from "./correlation.ts";
import type { CategoryColumn, CategoryFeature, Feature, FeatureColumn, FeatureRow, NumberFeature } from "./features.ts";
import { rowsOf } from "./features.ts";
import type { FittedCategory, FittedFeature, FittedNumber, Term } from "./model.ts";
import { quantile, sortedFinite } from "../numeric/quantile.ts";

export interface DroppedTerm {
  readonly name: string;
  readonly reason: "no_values" | "constant" | "collinear";
}

export interface Preprocessing {
  readonly features: readonly FittedFeature[];
  readonly terms: readonly Term[];
  readonly dropped: readonly DroppedTerm[];
}

export type Columns = Readonly<Record<string, FeatureColumn>>;

const DEFAULT_WINSOR = [0.005, 0.995] as const;
const DEFAULT_LEVELS = 8;
/** Share of a column's variance that the columns before it must leave unexplained. */
const COLLINEAR = 1e-8;

/** Fits the treatment of every feature on training rows. @throws RangeError for a column that is absent or of another kind */
export const fitPreprocessing = (declared: readonly Feature[], columns: Columns): Preprocessing => {
  const features: FittedFeature[] = [];
  const terms: Term[] = [];
  const dropped: DroppedTerm[] = [];
  for (const feature of declared) {
    const column = columnOf(columns, feature);
    const fitted = feature.kind === "number" ? fitNumber(feature, column) : fitCategory(feature, column);
    if (fitted === undefined) {
      dropped.push({ name: feature.name, reason: "no_values" });
      continue;
    }
    features.push(fitted);
    for (const { name, part } of partsOf(feature, fitted, column)) {
      const { mean, sd } = moments(termColumn(fitted, part, column));
      // Rounding in the sum of a constant leaves a spread of about 1e-16 of it.
      if (sd > 1e-12 * Math.max(1, Math.abs(mean))) terms.push({ name, feature: feature.name, part, mean, sd });
      else dropped.push({ name, reason: "constant" });
    }
  }
  return withoutCollinear({ features, terms, dropped }, columns);
};

/** The columns of the regression: mean 0 and standard deviation 1 on the rows that it was fitted on. */
export const designOf = (
  { features, terms }: Pick<Preprocessing, "features" | "terms">,
  columns: Columns,
): Float64Array[] => {
  const fittedOf = new Map(features.map((feature) => [feature.name, feature]));
  return terms.map(({ feature: name, part, mean, sd }) => {
    const feature = fittedOf.get(name)!;
    const column = termColumn(feature, part, columnOf(columns, feature));
    for (let i = 0; i < column.length; i++) column[i] = (column[i]! - mean) / sd;
    return column;
  });
};

/** One customer's value of a term, standardised. */
export const termOf = (feature: FittedFeature, { part, mean, sd }: Term, row: FeatureRow): number => {
  const value = row[feature.name];
  const raw =
    feature.kind === "number"
      ? numberPart(feature, part, typeof value === "number" ? value : NaN)
      : namePart(feature, part, typeof value === "string" ? value : undefined);
  return (raw - mean) / sd;
};

const columnOf = (columns: Columns, { name, kind }: Pick<Feature, "name" | "kind">): FeatureColumn => {
  const column = Object.hasOwn(columns, name) ? columns[name] : undefined;
  if (column === undefined) throw new RangeError(`no column for feature ${name}`);
  if (column instanceof Float64Array !== (kind === "number")) throw new RangeError(`column ${name} is not a ${kind}`);
  return column;
};

const fitNumber = (feature: NumberFeature, column: FeatureColumn): FittedNumber | undefined => {
  const values = sortedFinite(column as Float64Array);
  if (values.length === 0) return undefined;
  // log1p is for values from 0 on: what lies below counts as 0.
  const floor = feature.log === "log1p" ? 0 : null;
  const limit = (q: number): number => Math.max(floor ?? -Infinity, quantile(values, q));
  const [lower, upper] =
    feature.winsor === "none" ? [floor, null] : (feature.winsor ?? DEFAULT_WINSOR).map((q) => limit(q));
  return {
    kind: "number",
    name: feature.name,
    label: feature.label ?? feature.name,
    ...(feature.group !== undefined && { group: feature.group }),
    imputed: quantile(values, 0.5),
    lower: lower ?? null,
    upper: upper ?? null,
    log: feature.log ?? "none",
  };
};

const fitCategory = (feature: CategoryFeature, column: FeatureColumn): FittedCategory | undefined => {
  const { codes, levels } = column as CategoryColumn;
  const counts = new Float64Array(levels.length);
  for (const code of codes) if (code >= 0) counts[code]!++;
  const frequent = levels
    .map((level, code) => ({ level, count: counts[code]! }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count || (a.level < b.level ? -1 : 1))
    .slice(0, feature.maxLevels ?? DEFAULT_LEVELS);
  if (frequent.length === 0) return undefined;
  return {
    kind: "category",
    name: feature.name,
    label: feature.label ?? feature.name,
    ...(feature.group !== undefined && { group: feature.group }),
    levels: frequent.map(({ level }) => level),
  };
};

/** The most frequent level has no column: it is what the others are compared with. */
const partsOf = (
  declared: Feature,
  fitted: FittedFeature,
  column: FeatureColumn,
): { readonly name: string; readonly part: Term["part"] }[] => {
  const missing = { name: `${fitted.name}:missing`, part: { kind: "missing" } as const };
  if (fitted.kind === "number") {
    const value = { name: fitted.name, part: { kind: "value" } as const };
    return declared.kind === "number" && declared.indicator === true ? [value, missing] : [value];
  }
  const { codes, levels } = column as CategoryColumn;
  const known = new Set(fitted.levels);
  return [
    ...fitted.levels
      .slice(1)
      .map((level) => ({ name: `${fitted.name}=${level}`, part: { kind: "level", level } as const })),
    ...(codes.some((code) => code >= 0 && !known.has(levels[code]!))
      ? [{ name: `${fitted.name}:other`, part: { kind: "other" } as const }]
      : []),
    ...(codes.includes(-1) ? [missing] : []),
  ];
};

const termColumn = (feature: FittedFeature, part: Term["part"], column: FeatureColumn): Float64Array => {
  if (feature.kind === "number") {
    const values = column as Float64Array;
    const result = new Float64Array(values.length);
    for (let i = 0; i < result.length; i++) result[i] = numberPart(feature, part, values[i]!);
    return result;
  }
  const { codes, levels } = column as CategoryColumn;
  const ofLevel = Float64Array.from(levels, (level) => namePart(feature, part, level));
  const ofMissing = namePart(feature, part, undefined);
  return Float64Array.from(codes, (code) => (code < 0 ? ofMissing : ofLevel[code]!));
};

const numberPart = (feature: FittedNumber, part: Term["part"], raw: number): number => {
  const present = Number.isFinite(raw);
  if (part.kind === "missing") return present ? 0 : 1;
  const value = present ? raw : feature.imputed;
  const cut = Math.min(feature.upper ?? Infinity, Math.max(feature.lower ?? -Infinity, value));
  if (feature.log === "none") return cut;
  return cut < 0 ? -Math.log(1 - cut) : Math.log(1 + cut);
};

const namePart = ({ levels }: FittedCategory, part: Term["part"], name: string | undefined): number => {
  if (part.kind === "missing") return name === undefined ? 1 : 0;
  if (name === undefined) return 0;
  if (part.kind === "level") return name === part.level ? 1 : 0;
  return part.kind === "other" && !levels.includes(name) ? 1 : 0;
};

/** Mean and standard deviation (of the population), in two passes. */
const moments = (column: Float64Array): { mean: number; sd: number } => {
  let sum = 0;
  for (let i = 0; i < column.length; i++) sum += column[i]!;
  const mean = sum / column.length;
  let squares = 0;
  for (let i = 0; i < column.length; i++) squares += (column[i]! - mean) ** 2;
  return { mean, sd: Math.sqrt(squares / column.length) };
};

/** Drops each term that is a combination of those before it (two indicators of one absence, say). */
const withoutCollinear = (fitted: Preprocessing, columns: Columns): Preprocessing => {
  const design = designOf(fitted, columns);
  const terms = [...fitted.terms];
  const dropped = [...fitted.dropped];
  const correlations = correlationsOf(design);
  const kept = design.map((_, j) => j);
  for (;;) {
    const size = kept.length;
    const matrix = new Float64Array(size * size);
    kept.forEach((a, i) => kept.forEach((b, j) => (matrix[i * size + j] = correlations[a * design.length + b]!)));
    const result = cholesky(matrix, size, COLLINEAR);
    if (!("dependent" in result)) break;
    dropped.push({ name: terms[kept[result.dependent]!]!.name, reason: "collinear" });
    kept.splice(result.dependent, 1);
  }
  return { features: fitted.features, terms: kept.map((j) => terms[j]!), dropped };
};

/** Rows that all columns share. @throws RangeError where their lengths differ */
export const rowCount = (columns: Columns): number => {
  const lengths = new Set(Object.values(columns).map(rowsOf));
  if (lengths.size > 1) throw new RangeError("columns must have the same length");
  return lengths.values().next().value ?? 0;
};
