/** From probability to decision: whom to contact, by what a contact is expected to bring. */
import type { Ranking } from "./ranking.ts";

/** What a contact costs and may save, in minor units of the reporting currency. */
export interface ContactEconomics {
  readonly contactCostMinor: number;
  /** Share of leaving customers whom a contact keeps. An assumption until a control group has measured it. */
  readonly saveRate: number;
  /** What a kept customer is worth: margin over the horizon, or customer lifetime value. */
  readonly valueMinor: number;
}

/** Expected profit of one contact is p · saveRate · value − cost: above this probability it is positive. */
export const breakEven = ({ contactCostMinor, saveRate, valueMinor }: ContactEconomics): number => {
  const savedMinor = saveRate * valueMinor;
  return savedMinor > 0 ? Math.min(1, contactCostMinor / savedMinor) : 1;
};

export interface ProfitPoint {
  /** Contact where the probability is at least this. */
  readonly threshold: number;
  readonly contacted: number;
  /** By the labels, per 1,000 customers, minor units: churners contacted · saveRate · value − contacts · cost. */
  readonly profitPerThousandMinor: number;
}

/** Realised profit at each threshold, from contacting nobody to contacting everybody. */
export const profitCurve = (
  { order, stepEnds, labels }: Ranking,
  probabilities: Float64Array,
  economics: ContactEconomics,
  limit = 100,
): ProfitPoint[] => {
  const points: ProfitPoint[] = [];
  const stride = Math.ceil(stepEnds.length / limit);
  let [hits, i] = [0, 0];
  stepEnds.forEach((end, step) => {
    for (; i < end; i++) hits += labels[order[i]!]!;
    if (step % stride === 0 || step === stepEnds.length - 1)
      points.push({
        threshold: probabilities[order[end - 1]!]!,
        contacted: end,
        profitPerThousandMinor: perThousand(profitMinor(hits, end, economics), labels.length),
      });
  });
  return points;
};

const profitMinor = (hits: number, contacted: number, { contactCostMinor, saveRate, valueMinor }: ContactEconomics) =>
  hits * saveRate * valueMinor - contacted * contactCostMinor;

const perThousand = (value: number, customers: number): number => (1000 * value) / customers;

/** Counts at a threshold; "positive" means predicted to leave. */
export interface Confusion {
  readonly threshold: number;
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly trueNegatives: number;
  readonly falseNegatives: number;
  readonly accuracy: number;
  readonly precision: number | null;
  readonly recall: number | null;
  readonly profitPerThousandMinor: number;
}

/** A customer is predicted to leave where the probability is at least the threshold. */
export const confusionAt = (
  probabilities: Float64Array,
  labels: Uint8Array,
  threshold: number,
  economics: ContactEconomics,
): Confusion => {
  const counts = { tp: 0, fp: 0, tn: 0, fn: 0 };
  for (let i = 0; i < labels.length; i++) {
    const predicted = probabilities[i]! >= threshold;
    if (labels[i] === 1) counts[predicted ? "tp" : "fn"]++;
    else counts[predicted ? "fp" : "tn"]++;
  }
  const { tp, fp, tn, fn } = counts;
  return {
    threshold,
    truePositives: tp,
    falsePositives: fp,
    trueNegatives: tn,
    falseNegatives: fn,
    accuracy: (tp + tn) / labels.length,
    precision: tp + fp === 0 ? null : tp / (tp + fp),
    recall: tp + fn === 0 ? null : tp / (tp + fn),
    profitPerThousandMinor: perThousand(profitMinor(tp, tp + fp, economics), labels.length),
  };
};
