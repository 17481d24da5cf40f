/** Customers that a model sees at most: parameters are known to three digits long before. */
const MOST_CUSTOMERS = 100_000;
const PARTS = 256;

/** How many of 256 parts of the customers are seen. */
export const sampleParts = (customers: number): number =>
  Math.max(1, Math.min(PARTS, Math.ceil((PARTS * MOST_CUSTOMERS) / Math.max(1, customers))));

/** A condition after others: customers by the first byte of their keys (which are uniform), the same ones in every run. */
export const sampled = (key: string, parts: number): string =>
  parts >= PARTS ? "" : `\n  AND substr(${key}, 5, 2) < '${parts.toString(16).padStart(2, "0")}'`;
