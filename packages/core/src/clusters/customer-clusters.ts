/** Clusters of customers beside their segments: what the data falls into by itself, and how surely. */
import { uniform } from "../numeric/random.ts";
import { type KMeans, assign, kMeans, rowsOf } from "./k-means.ts";
import { type ClusterWords, clusterNames } from "./names.ts";
import { type RfmColumns, type Scales, rfmPoints, scalesOf, valueAt } from "./rfm-space.ts";
import { sampleRows } from "./sample.ts";
import { silhouettes } from "./silhouette.ts";
import { type Stability, stabilityOf } from "./stability.ts";

export interface ClusterOptions {
  readonly seed: number;
  /** Numbers of clusters to try. Default 3 to 8: two only tell good customers from the others. */
  readonly candidates?: readonly number[];
  readonly words?: ClusterWords;
}

export interface CustomerCluster {
  readonly name: string;
  readonly customers: number;
  /** The centroid in units: days, orders, minor units (geometric means, within the winsorising limits). */
  readonly recencyDays: number;
  readonly orders: number;
  readonly monetaryMinor: number;
}

export interface CustomerClusters {
  readonly clusters: readonly CustomerCluster[];
  /** Cluster of each row, an index into `clusters`. */
  readonly assignment: Uint8Array;
  /** Standardised, row-major; with `scales` enough to assign a customer to come. */
  readonly centroids: Float64Array;
  readonly scales: Scales;
  readonly inertia: number;
  /** Mean silhouette of each number of clusters that was tried; the highest was taken. */
  readonly silhouettes: readonly { readonly k: number; readonly silhouette: number }[];
  /** Rows that the silhouette was taken on: all of them, or a seeded sample. */
  readonly silhouetteRows: number;
  readonly stability: Stability;
}

/** Below this there are no groups to speak of. */
const FEWEST_CUSTOMERS = 30;
/** Rows that the number of clusters is sought on; the clusters themselves are those of all rows. */
const SEARCH_ROWS = 20_000;
/** Of each number of clusters: the search only ranks the numbers, and silhouettes of two of them are seldom that close. */
const SEARCH_STARTS = 3;
const SILHOUETTE_ROWS = 4_000;

/**
 * K-Means on recency, frequency and money, the number of clusters chosen by silhouette; clusters in order of money, the
 * highest first. `undefined` below 30 customers or where all customers are alike.
 *
 * @throws NotANumberError for a value that is not finite
 */
export const clusterCustomers = (
  columns: RfmColumns,
  { seed, candidates = [3, 4, 5, 6, 7, 8], words }: ClusterOptions,
): CustomerClusters | undefined => {
  const scales = scalesOf(columns);
  const points = rfmPoints(columns, scales);
  if (rowsOf(points) < FEWEST_CUSTOMERS) return undefined;

  const random = uniform(seed);
  const searched = sampleRows(points, SEARCH_ROWS, random);
  const judged = sampleRows(searched, SILHOUETTE_ROWS, random);
  const tried = candidates.map((k) => {
    const fit = kMeans(searched, { k, seed, starts: SEARCH_STARTS });
    return { k: fit.k, wanted: k, assignment: assign(judged, fit.centroids) };
  });
  const values = silhouettes(judged, tried);
  const found = tried.flatMap(({ k, wanted }, i) => {
    const value = values[i];
    // Fewer distinct points than wanted: the fit is that of a smaller number.
    return value === undefined || k < wanted ? [] : [{ k, silhouette: value }];
  });
  const [first, ...others] = found;
  if (first === undefined) return undefined;
  const best = others.reduce((one, other) => (other.silhouette > one.silhouette ? other : one), first);

  const fit = kMeans(points, { k: best.k, seed });
  const { centroids, assignment, sizes } = byMoney(fit);
  const names = clusterNames(centroids, words);
  return {
    clusters: names.map((name, i) => ({
      name,
      customers: sizes[i]!,
      recencyDays: valueAt(centroids[i * 3]!, scales.recency),
      orders: valueAt(centroids[i * 3 + 1]!, scales.frequency),
      monetaryMinor: valueAt(centroids[i * 3 + 2]!, scales.monetary),
    })),
    assignment,
    centroids,
    scales,
    inertia: fit.inertia,
    silhouettes: found,
    silhouetteRows: rowsOf(judged),
    stability: stabilityOf(points, centroids, { k: fit.k, seed }),
  };
};

/** The cluster of each customer to come, by the scales and centroids of an earlier run. */
export const assignCustomers = (
  columns: RfmColumns,
  { scales, centroids }: Pick<CustomerClusters, "scales" | "centroids">,
): Uint8Array => assign(rfmPoints(columns, scales), centroids);

/** The same clusters, numbered by money, then orders, then recency of their centroids: a number then means something. */
const byMoney = ({ centroids, assignment, sizes, k }: KMeans): Pick<KMeans, "centroids" | "assignment" | "sizes"> => {
  const order = Array.from({ length: k }, (_cluster, cluster) => cluster).sort((one, other) => {
    const difference = (column: number): number => centroids[other * 3 + column]! - centroids[one * 3 + column]!;
    return difference(2) || difference(1) || -difference(0);
  });
  const numberOf = new Uint8Array(k);
  order.forEach((cluster, number) => (numberOf[cluster] = number));
  return {
    centroids: Float64Array.from(order.flatMap((cluster) => [...centroids.subarray(cluster * 3, cluster * 3 + 3)])),
    assignment: assignment.map((cluster) => numberOf[cluster]!),
    sizes: Uint32Array.from(order, (cluster) => sizes[cluster]!),
  };
};
