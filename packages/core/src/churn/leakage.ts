/** A model that knows too much has seen the answer: the gate before anything is published. */
import type { Feature, FeatureColumn } from "./features.ts";
import type { Columns } from "./preprocessing.ts";
import { aucOf } from "./ranking.ts";

/** On purchases without a contract nothing honest comes near: CDNOW and Online Retail stay below 0.85. */
export const LEAKAGE_AUC = 0.95;

/** Levels of a category with fewer rows are judged together: a level a row would repeat the label. */
const ROWS_PER_LEVEL = 30;

export interface FeatureAuc {
  readonly feature: string;
  /** Of the feature alone, in the better direction: 0.5 to 1. */
  readonly auc: number;
}

/** The features by how well each alone tells who leaves, the most telling first. */
export const singleFeatureAucs = (
  features: readonly Feature[],
  columns: Columns,
  labels: Uint8Array,
): readonly FeatureAuc[] =>
  features
    .map(({ name }) => ({ feature: name, auc: aucAlone(columns[name]!, labels) }))
    .sort((a, b) => b.auc - a.auc || (a.feature < b.feature ? -1 : 1));

const eitherWay = (auc: number): number => Math.max(auc, 1 - auc);

/** Missing values rank below all others or above them, whichever tells more. */
const aucAlone = (column: FeatureColumn, labels: Uint8Array): number => {
  if (!(column instanceof Float64Array)) return eitherWay(aucOf(churnByLevel(column, labels), labels));
  const withMissing = (stand: number): number =>
    eitherWay(
      aucOf(
        Float64Array.from(column, (value) => (Number.isFinite(value) ? value : stand)),
        labels,
      ),
    );
  return column.every(Number.isFinite) ? withMissing(0) : Math.max(withMissing(-Infinity), withMissing(Infinity));
};

const churnByLevel = ({ codes, levels }: Exclude<FeatureColumn, Float64Array>, labels: Uint8Array): Float64Array => {
  const rows = new Float64Array(levels.length + 2);
  for (const code of codes) rows[code + 1]!++;
  const rare = levels.length + 1;
  const binOf = (code: number): number => (rows[code + 1]! < ROWS_PER_LEVEL ? rare : code + 1);
  const counts = new Float64Array(levels.length + 2);
  const churned = new Float64Array(levels.length + 2);
  codes.forEach((code, row) => {
    counts[binOf(code)]!++;
    churned[binOf(code)]! += labels[row]!;
  });
  return Float64Array.from(codes, (code) => churned[binOf(code)]! / counts[binOf(code)]!);
};
