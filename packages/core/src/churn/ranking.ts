/** How well probabilities order customers: areas under ROC and precision-recall, Kolmogorov-Smirnov. Ties count half. */

/** Rows by falling probability; rows of equal probability are one step. */
export interface Ranking {
  /** Row numbers, the highest probability first. */
  readonly order: Int32Array;
  /** For each step, the index in `order` after its last row. */
  readonly stepEnds: Int32Array;
  readonly labels: Uint8Array;
}

/** @throws RangeError where the lengths differ or a probability is not a number */
export const rankingOf = (probabilities: Float64Array, labels: Uint8Array): Ranking => {
  if (probabilities.length !== labels.length)
    throw new RangeError("probabilities and labels must have the same length");
  if (probabilities.some(Number.isNaN)) throw new RangeError("a probability is not a number");
  const order = Int32Array.from(probabilities, (_, row) => row).sort((a, b) => probabilities[b]! - probabilities[a]!);
  const ends: number[] = [];
  for (let i = 1; i <= order.length; i++)
    if (i === order.length || probabilities[order[i]!] !== probabilities[order[i - 1]!]) ends.push(i);
  return { order, stepEnds: Int32Array.from(ends), labels };
};

export interface Discrimination {
  /** Probability that a churner ranks above a stayer (Mann-Whitney). NaN of one class. */
  readonly auc: number;
  /** Σ precision × gain in recall, without interpolation, as scikit-learn has it. */
  readonly averagePrecision: number;
  /** The largest distance between the two classes' distributions. */
  readonly ks: number;
}

/** @param weights how often each row counts; absent, once. A plain loop: the bootstrap runs it hundreds of times */
export const discriminationOf = ({ order, stepEnds, labels }: Ranking, weights?: Uint16Array): Discrimination => {
  const counts = weights ?? new Uint16Array(labels.length).fill(1);
  const [allHits, allMisses] = classTotals(labels, counts);
  let [area, precisions, distance] = [0, 0, 0];
  let [hits, misses, i] = [0, 0, 0];
  for (let step = 0; step < stepEnds.length; step++) {
    const [hitsBefore, missesBefore, end] = [hits, misses, stepEnds[step]!];
    for (; i < end; i++) {
      const row = order[i]!;
      if (labels[row] === 1) hits += counts[row]!;
      else misses += counts[row]!;
    }
    area += ((misses - missesBefore) * (hits + hitsBefore)) / 2;
    if (hits > hitsBefore) precisions += ((hits - hitsBefore) * hits) / (hits + misses);
    distance = Math.max(distance, Math.abs(hits / allHits - misses / allMisses));
  }
  const known = allHits > 0 && allMisses > 0;
  return {
    auc: known ? area / (allHits * allMisses) : NaN,
    averagePrecision: allHits > 0 ? precisions / allHits : NaN,
    ks: known ? distance : NaN,
  };
};

/** AUC alone, of any values: both classes sorted and merged, a tenth of the time of a ranking. NaN of one class. */
export const aucOf = (values: Float64Array, labels: Uint8Array): number => {
  const churners = values.filter((_, row) => labels[row] === 1).sort();
  const stayers = values.filter((_, row) => labels[row] !== 1).sort();
  let [below, notAbove, pairs] = [0, 0, 0];
  for (const value of churners) {
    while (below < stayers.length && stayers[below]! < value) below++;
    while (notAbove < stayers.length && stayers[notAbove]! <= value) notAbove++;
    pairs += (below + notAbove) / 2;
  }
  return pairs / (churners.length * stayers.length);
};

export interface CurvePoint {
  readonly x: number;
  readonly y: number;
}

/** ROC: x the false positive rate, y the true positive rate, from (0, 0) to (1, 1); at most about `limit` points. */
export const rocCurve = (ranking: Ranking, limit = 200): CurvePoint[] => {
  const [hitsTotal, missesTotal] = totalsOf(ranking);
  const points = [{ x: 0, y: 0 }];
  eachStep(ranking, (hits, misses) => points.push({ x: misses / missesTotal, y: hits / hitsTotal }));
  return thinned(points, limit);
};

/** Precision (y) by recall (x), from the highest probability down. */
export const precisionRecallCurve = (ranking: Ranking, limit = 200): CurvePoint[] => {
  const [hitsTotal] = totalsOf(ranking);
  const points: CurvePoint[] = [];
  eachStep(ranking, (hits, misses) => points.push({ x: hits / hitsTotal, y: hits / (hits + misses) }));
  return thinned(points, limit);
};

/** Share of the churners (y) among the share of customers contacted, the riskiest first (x). */
export const gainCurve = (ranking: Ranking, limit = 100): CurvePoint[] => {
  const [hitsTotal, missesTotal] = totalsOf(ranking);
  const points = [{ x: 0, y: 0 }];
  eachStep(ranking, (hits, misses) =>
    points.push({ x: (hits + misses) / (hitsTotal + missesTotal), y: hits / hitsTotal }),
  );
  return thinned(points, limit);
};

const totalsOf = ({ labels }: Ranking): [hits: number, misses: number] =>
  classTotals(labels, new Uint16Array(labels.length).fill(1));

const classTotals = (labels: Uint8Array, counts: Uint16Array): [hits: number, misses: number] => {
  let [hits, misses] = [0, 0];
  for (let row = 0; row < labels.length; row++)
    if (labels[row] === 1) hits += counts[row]!;
    else misses += counts[row]!;
  return [hits, misses];
};

/** Churners and stayers so far, after each step of equal probabilities. */
const eachStep = ({ order, stepEnds, labels }: Ranking, visit: (hits: number, misses: number) => void): void => {
  let [hits, i] = [0, 0];
  for (const end of stepEnds) {
    for (; i < end; i++) hits += labels[order[i]!]!;
    visit(hits, end - hits);
  }
};

const thinned = (points: readonly CurvePoint[], limit: number): CurvePoint[] => {
  const stride = Math.ceil(points.length / limit);
  return points.filter((_, i) => i % stride === 0 || i === points.length - 1);
};
