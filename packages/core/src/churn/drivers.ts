/** Which features go with leaving, how surely, and which of them say the same thing. */
import { correlationsOf, varianceInflation } from "./correlation.ts";
import { robustErrors } from "./robust-errors.ts";
import { fitLogistic, type LogisticFit } from "./logistic-regression.ts";
import type { DriverGroup, FittedFeature, Term } from "./model.ts";

/** |ρ| from which two features are one driver: their coefficients then share one effect between them at random. */
export const CORRELATED = 0.7;

/**
 * Groups of features: those declared together, and those with a pair of terms correlated at |ρ| ≥ `threshold`, closed
 * under both. A group is named as declared, otherwise after its strongest feature.
 */
export const driverGroups = (
  features: readonly FittedFeature[],
  terms: readonly Term[],
  design: readonly Float64Array[],
  coefficients: Float64Array,
  threshold = CORRELATED,
): DriverGroup[] => {
  const used = features.filter(({ name }) => terms.some((term) => term.feature === name));
  const indexOf = new Map(used.map(({ name }, i) => [name, i]));
  const parent = used.map((_, i) => i);
  const rootOf = (i: number): number => (parent[i] === i ? i : (parent[i] = rootOf(parent[i]!)));
  const join = (a: number, b: number): void => {
    const [first, second] = [rootOf(a), rootOf(b)].sort((x, y) => x - y) as [number, number];
    parent[second] = first;
  };
  // A declared group may bear the name of a feature: that feature then belongs to it.
  used.forEach(({ group }, i) =>
    used.forEach((other, j) => {
      if (group !== undefined && (other.group === group || other.name === group)) join(i, j);
    }),
  );
  const correlations = correlationsOf(design);
  terms.forEach((a, i) =>
    terms.forEach((b, j) => {
      if (Math.abs(correlations[i * terms.length + j]!) >= threshold)
        join(indexOf.get(a.feature)!, indexOf.get(b.feature)!);
    }),
  );
  const strengthOf = ({ name }: FittedFeature): number =>
    terms.reduce((max, term, j) => (term.feature === name ? Math.max(max, Math.abs(coefficients[j]!)) : max), 0);
  return used.flatMap((_, root) => {
    const members = used.filter((_, i) => rootOf(i) === root);
    if (members.length === 0) return [];
    const declared = members.find(({ group }) => group !== undefined)?.group;
    const strongest = members.reduce((best, member) => (strengthOf(member) > strengthOf(best) ? member : best));
    return [
      {
        name: declared ?? strongest.name,
        label: declared ?? strongest.label,
        features: members.map(({ name }) => name),
      },
    ];
  });
};

export interface TermEffect {
  readonly term: string;
  readonly label: string;
  readonly group: string;
  /** Log-odds per standard deviation. */
  readonly beta: number;
  /** Log-odds per unit of the term (after imputation, cut and logarithm). */
  readonly betaPerUnit: number;
  /** Of beta: penalised estimate, rows of one customer counted as dependent. */
  readonly robustStandardError: number;
  /** e^beta with its 95 % interval: what a rise by one standard deviation goes with, other terms equal. */
  readonly oddsRatio: number;
  readonly oddsRatioInterval: readonly [low: number, high: number];
  readonly varianceInflation: number;
  /** Share of the slices in which the term, fitted there alone, has the same sign; null where none could be fitted. */
  readonly signStability: number | null;
}

export interface SliceDesign {
  readonly design: readonly Float64Array[];
  readonly labels: Uint8Array;
}

/** Effects of all terms. `slices` are fitted one by one for the stability of the signs. */
export const termEffects = (
  fit: LogisticFit,
  data: SliceDesign & { readonly customers: readonly string[]; readonly l2: number },
  terms: readonly Term[],
  features: readonly FittedFeature[],
  groups: readonly DriverGroup[],
  slices: readonly SliceDesign[],
): TermEffect[] => {
  const size = terms.length;
  const inflation = varianceInflation(correlationsOf(data.design), size);
  const errors = robustErrors(
    { columns: data.design, labels: data.labels },
    Float64Array.of(fit.intercept, ...fit.coefficients),
    fit.covariance,
    data.customers,
  );
  const signs = slices.map((slice) => signsOf(slice, data.l2));
  const labelOf = new Map(features.map(({ name, label }) => [name, label]));
  return terms.map((term, j) => {
    const beta = fit.coefficients[j]!;
    const error = errors[j + 1]!;
    const known = signs.map((of) => of[j]!).filter((sign) => sign !== 0);
    return {
      term: term.name,
      label: termLabel(term, labelOf.get(term.feature)!),
      group: groups.find(({ features }) => features.includes(term.feature))!.name,
      beta,
      betaPerUnit: beta / term.sd,
      robustStandardError: error,
      oddsRatio: Math.exp(beta),
      oddsRatioInterval: [Math.exp(beta - 1.959963984540054 * error), Math.exp(beta + 1.959963984540054 * error)],
      varianceInflation: inflation[j]!,
      signStability: known.length === 0 ? null : known.filter((sign) => sign === Math.sign(beta)).length / known.length,
    };
  });
};

/** "Recency", "Recency: missing", "Country = France". */
const termLabel = ({ part }: Term, label: string): string =>
  part.kind === "value" ? label : part.kind === "level" ? `${label} = ${part.level}` : `${label}: ${part.kind}`;

/** Signs of the coefficients in one slice; 0 where a term does not vary there or nothing can be fitted. */
const signsOf = ({ design, labels }: SliceDesign, l2: number): number[] => {
  const varying = design.flatMap((column, j) => (column.some((value) => value !== column[0]) ? [j] : []));
  const fit = fitLogistic({ columns: varying.map((j) => design[j]!), labels }, { l2 });
  const signs = design.map(() => 0);
  if (fit.kind === "fitted") varying.forEach((j, i) => (signs[j] = Math.sign(fit.coefficients[i]!)));
  return signs;
};
