/** Every feature of a customer at a cutoff, in the order of the columns of `customer_features`. */
import type { Feature } from "./feature.ts";
import { featuresOfActivity } from "./features-of-activity.ts";
import { featuresOfOrders } from "./features-of-orders.ts";

export const features: readonly Feature[] = [...featuresOfOrders, ...featuresOfActivity];

/** Those that a model of churn may take in: declared with a treatment. */
export const modelFeatures: readonly Feature[] = features.filter(({ treatment }) => treatment.kind !== "none");

const byName = new Map(features.map((feature) => [feature.name, feature]));

/** @throws RangeError for a name that is not declared */
export const featureNamed = (name: string): Feature => {
  const feature = byName.get(name);
  if (feature === undefined) throw new RangeError(`No feature is called ${name}`);
  return feature;
};
