import type { Dialect } from "../dialect.ts";

/** Features of one group say much the same: a driver is told once a group. */
export const featureGroups = [
  "recency",
  "frequency",
  "monetary",
  "rhythm",
  "trend",
  "basket",
  "discounts",
  "returns",
  "season",
  "tenure",
  "place",
  "web",
  "social",
] as const;
export type FeatureGroup = (typeof featureGroups)[number];

/** A column of `customer_features`, declared once: the SQL, the docs, the quality report and the model read it. */
export interface Feature {
  readonly name: string;
  readonly type: "bigint" | "double" | "string";
  readonly unit: "days" | "orders" | "minor units" | "units" | "share" | "ratio" | "events" | "code" | "score";
  readonly definition: string;
  readonly group: FeatureGroup;
  /** Which events it stands on; each is known when it occurred. Nothing from the cutoff on is ever used. */
  readonly from: "orders" | "web" | "social";
  /** How a linear model should take it. */
  readonly treatment: Treatment;
  /** What it means for a customer when it speaks for leaving: with a high value, with a low one. */
  readonly inWords: { readonly high: string; readonly low: string };
  /** Over the totals of a customer: `b` of orders, `w` of visits, `s` of posts. */
  readonly sql: (m: Dialect) => string;
}

export type Treatment =
  | { readonly kind: "categorical" }
  | {
      readonly kind: "numeric";
      /** `signedLog1p`: sign(x) · log(1 + |x|), for sums that refunds may take below zero. */
      readonly transform: "none" | "log1p" | "signedLog1p";
      /** Cut at quantiles of the training rows: a few customers are far from all others. */
      readonly winsorise: boolean;
      /** `median`: of the training rows, with an indicator, because being absent means something. */
      readonly missing: "never" | "median";
    }
  /** Not for the churn model: what BG/NBD and Gamma-Gamma read, or what another feature says better. */
  | { readonly kind: "none" };

export const counted: Treatment = { kind: "numeric", transform: "log1p", winsorise: true, missing: "never" };
export const money: Treatment = { kind: "numeric", transform: "signedLog1p", winsorise: true, missing: "never" };
export const share: Treatment = { kind: "numeric", transform: "none", winsorise: false, missing: "never" };
export const sometimes = (treatment: Treatment): Treatment =>
  treatment.kind === "numeric" ? { ...treatment, missing: "median" } : treatment;
export const categorical: Treatment = { kind: "categorical" };
export const unused: Treatment = { kind: "none" };
