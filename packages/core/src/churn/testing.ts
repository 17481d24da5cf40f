/** For tests: customers whose leaving follows a known law. */
import { uniform } from "../numeric/random.ts";
import { type FeatureColumn, categoryColumn } from "./features.ts";
import type { Slice } from "./slices.ts";

export const normals = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** Independent standard normal columns with labels drawn at log-odds `intercept + Σ beta·x`. */
export const drawn = (
  seed: number,
  rows: number,
  intercept: number,
  beta: readonly number[],
): { columns: Float64Array[]; labels: Uint8Array } => {
  const random = uniform(seed);
  const columns = beta.map(() => Float64Array.from({ length: rows }, () => normals(random)));
  const labels = Uint8Array.from({ length: rows }, (_, i) => {
    const logOdds = columns.reduce((sum, column, j) => sum + beta[j]! * column[i]!, intercept);
    return random() < 1 / (1 + Math.exp(-logOdds)) ? 1 : 0;
  });
  return { columns, labels };
};

/**
 * A shop's customers at one cutoff: recency raises churn, orders lower it, the gap is missing for one-time buyers, the
 * country says a little, `noise` nothing.
 */
export const shopSlice = (cutoff: string, seed: number, rows: number, drift = 0): Slice => {
  const random = uniform(seed);
  const recency: number[] = [];
  const orders: number[] = [];
  const gap: number[] = [];
  const noise: number[] = [];
  const country: (string | null)[] = [];
  const labels = new Uint8Array(rows);
  for (let i = 0; i < rows; i++) {
    const frequency = 1 + Math.floor(-Math.log(1 - random()) * 2);
    const days = Math.floor(-Math.log(1 - random()) * 60);
    const from = ["UK", "UK", "UK", "France", "France", "It's\\far", null][Math.floor(random() * 7)]!;
    orders.push(frequency);
    recency.push(days);
    gap.push(frequency === 1 ? NaN : 5 + 40 * random());
    noise.push(normals(random));
    country.push(from);
    const logOdds = -2 + drift + 0.8 * Math.log1p(days) - 0.9 * Math.log(frequency) + (from === "France" ? 0.6 : 0);
    labels[i] = random() < 1 / (1 + Math.exp(-logOdds)) ? 1 : 0;
  }
  const columns: Record<string, FeatureColumn> = {
    recency_days: Float64Array.from(recency),
    orders: Float64Array.from(orders),
    gap_days: Float64Array.from(gap),
    noise: Float64Array.from(noise),
    country: categoryColumn(country),
  };
  return { cutoff, columns, labels, customers: Array.from({ length: rows }, (_, i) => `cus_${seed}_${i}`) };
};

export const shopFeatures = [
  { name: "recency_days", kind: "number", label: "Days since the last order", log: "log1p", winsor: "none" },
  { name: "orders", kind: "number", log: "log1p", group: "Frequency" },
  { name: "gap_days", kind: "number", log: "log1p", indicator: true },
  { name: "noise", kind: "number", log: "signed_log1p", winsor: [0.01, 0.99] },
  { name: "country", kind: "category", maxLevels: 2 },
] as const;
