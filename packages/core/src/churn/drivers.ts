/** Which features go with leaving, how surely, and which of them say the same thing. */
import { correlationsOf, varianceInflation } from "./correlation.ts";
import { robustErrors } from "./robust-errors.ts";
import { fitLogistic, type LogisticFit } from "./logistic-regression.ts";
import type { DriverGroup, FittedFeature, Term } from "./model.ts";

/** |ρ| from which two features are one driver: their coefficients then share one effect between them at random. */
export const CORRELATED = 0.7;

/**
 * Groups of features: those declared together, then, the most alike first, whatever groups have only pairs with
 * |ρ| ≥ `threshold` between them (complete linkage: by single linkage most of a shop's features hang together somehow and
 * end in one group, which explains nothing). A group is named as declared, otherwise after its strongest feature.
 */
export const driverGroups = (
  features: readonly FittedFeature[],
  terms: readonly Term[],
  design: readonly Float64Array[],
  coefficients: Float64Array,
  threshold = CORRELATED,
): DriverGroup[] => {
  const used = features.filter(({ name }) => terms.some((term) => term.feature === name));
  const alike = likenessOf(used, terms, design);
  const likeness = (a: readonly number[], b: readonly number[]): number =>
    Math.min(...a.flatMap((i) => b.map((j) => alike[i]![j]!)));
  const groups = declaredTogether(used);
  for (;;) {
    let best = { likeness: threshold, first: -1, second: -1 };
    groups.forEach((a, first) =>
      groups.slice(0, first).forEach((b, second) => {
        const value = likeness(a, b);
        if (value > best.likeness || (value === best.likeness && best.first < 0))
          best = { likeness: value, first: second, second: first };
      }),
    );
    if (best.first < 0) break;
    groups[best.first]!.push(...groups.splice(best.second, 1)[0]!);
  }
  const strengthOf = ({ name }: FittedFeature): number =>
    terms.reduce((max, term, j) => (term.feature === name ? Math.max(max, Math.abs(coefficients[j]!)) : max), 0);
  return groups
    .map((group) => group.sort((a, b) => a - b).map((i) => used[i]!))
    .sort(([a], [b]) => used.indexOf(a!) - used.indexOf(b!))
    .map((members) => {
      const declared = members.find(({ group }) => group !== undefined)?.group;
      const strongest = members.reduce((best, member) => (strengthOf(member) > strengthOf(best) ? member : best));
      return {
        name: declared ?? strongest.name,
        label: declared ?? strongest.label,
        features: members.map(({ name }) => name),
      };
    });
};

/** Indexes of the features, in groups as declared. A group may bear the name of a feature, which then belongs to it. */
const declaredTogether = (features: readonly FittedFeature[]): number[][] => {
  const groups = new Map<string, number[]>();
  const named = new Set(features.map(({ group }) => group));
  features.forEach(({ name, group }, i) => {
    const key = group !== undefined || named.has(name) ? `group ${group ?? name}` : `feature ${name}`;
    groups.set(key, [...(groups.get(key) ?? []), i]);
  });
  return [...groups.values()];
};

/** The largest |ρ| between any two terms of each pair of features. */
const likenessOf = (
  features: readonly FittedFeature[],
  terms: readonly Term[],
  design: readonly Float64Array[],
): number[][] => {
  const correlations = correlationsOf(design);
  const termsOf = features.map(({ name }) => terms.flatMap(({ feature }, j) => (feature === name ? [j] : [])));
  return termsOf.map((a) =>
    termsOf.map((b) => Math.max(...a.flatMap((i) => b.map((j) => Math.abs(correlations[i * terms.length + j]!))))),
  );
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
