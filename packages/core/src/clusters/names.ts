/** Names of clusters from their centroids, by a table of words that a team may replace. */
import { type Dimension, dimensionNames } from "./rfm-space.ts";

/** Words for a centroid below, around and above the mean of all customers. */
export type ClusterWords = Readonly<Record<Dimension, readonly [low: string, middle: string, high: string]>>;

export const defaultClusterWords: ClusterWords = {
  // Few days since the last order are the low end.
  recency: ["recent", "slowing", "lapsed"],
  frequency: ["rare", "regular", "frequent"],
  monetary: ["low spend", "medium spend", "high spend"],
};

/** Standard deviations from the mean of all customers within which a centroid is "around" it. */
const AROUND = 0.5;

/**
 * One name a centroid (rows of standardised recency, frequency, monetary), such as "Recent, frequent, high spend".
 * Where two centroids have the same words, the later ones are numbered from 2.
 */
export const clusterNames = (centroids: Float64Array, words: ClusterWords = defaultClusterWords): string[] => {
  const seen = new Map<string, number>();
  return Array.from({ length: centroids.length / 3 }, (_cluster, cluster) => {
    const text = dimensionNames
      .map((name, column) => {
        const coordinate = centroids[cluster * 3 + column]!;
        return words[name][coordinate < -AROUND ? 0 : coordinate > AROUND ? 2 : 1];
      })
      .join(", ");
    const name = text.charAt(0).toUpperCase() + text.slice(1);
    const before = seen.get(name) ?? 0;
    seen.set(name, before + 1);
    return before === 0 ? name : `${name} (${before + 1})`;
  });
};
