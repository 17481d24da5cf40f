import type { Ranking } from "./ranking.ts";

export interface Decile {
  /** 1: the riskiest tenth. */
  readonly decile: number;
  readonly customers: number;
  readonly churned: number;
  readonly meanPredicted: number;
  readonly observed: number;
  /** Observed share over that of all customers. */
  readonly lift: number;
  /** Share of all churners in this tenth and those before it. */
  readonly gain: number;
}

/** Tenths of the ranking, sized as SQL's ntile(10): the first ones take what does not divide. */
export const decileTable = (ranking: Ranking, probabilities: Float64Array): Decile[] => {
  const { order, labels } = ranking;
  const total = labels.reduce((sum, label) => sum + label, 0);
  const result: Decile[] = [];
  let [start, found] = [0, 0];
  for (let decile = 1; decile <= 10; decile++) {
    const customers = Math.floor(order.length / 10) + (decile <= order.length % 10 ? 1 : 0);
    const rows = order.subarray(start, start + customers);
    start += customers;
    if (customers === 0) break;
    const churned = rows.reduce((sum, row) => sum + labels[row]!, 0);
    found += churned;
    result.push({
      decile,
      customers,
      churned,
      meanPredicted: rows.reduce((sum, row) => sum + probabilities[row]!, 0) / customers,
      observed: churned / customers,
      lift: churned / customers / (total / order.length),
      gain: found / total,
    });
  }
  return result;
};
