/** The fitted model as a document (`model.json`), and what it says of one customer: the reference for SQL and ONNX. */
import { z } from "zod";
import { digest } from "../ids.ts";
import { sigmoid } from "./logistic-pass.ts";
import type { Feature, FeatureRow } from "./features.ts";
import { termOf } from "./preprocessing.ts";

const featureBase = {
  name: z.string().regex(/^[a-z][a-z0-9_]{0,62}$/),
  label: z.string().min(1),
  group: z.string().min(1).optional(),
};

export const FittedNumber = z.object({
  kind: z.literal("number"),
  ...featureBase,
  imputed: z.number().describe("median of the training rows: stands in for a missing value"),
  lower: z.number().nullable().describe("values below are set to it, before the logarithm"),
  upper: z.number().nullable().describe("values above are set to it, before the logarithm"),
  log: z.enum(["none", "log1p", "signed_log1p"]),
});
export type FittedNumber = z.infer<typeof FittedNumber>;

export const FittedCategory = z.object({
  kind: z.literal("category"),
  ...featureBase,
  levels: z.array(z.string()).min(1).describe("levels with a name, the most frequent first; the rest is other"),
});
export type FittedCategory = z.infer<typeof FittedCategory>;

export const FittedFeature = z.discriminatedUnion("kind", [FittedNumber, FittedCategory]);
export type FittedFeature = z.infer<typeof FittedFeature>;

/** One column of the regression before standardisation: a value, or 0 and 1. */
export const Term = z.object({
  name: z.string().min(1),
  feature: featureBase.name,
  part: z.discriminatedUnion("kind", [
    z.object({ kind: z.enum(["value", "missing", "other"]) }),
    z.object({ kind: z.literal("level"), level: z.string() }),
  ]),
  mean: z.number().describe("of the training rows, after imputation, cut and logarithm"),
  sd: z.number().positive().describe("of the training rows"),
});
export type Term = z.infer<typeof Term>;

export const ModelTerm = Term.extend({
  beta: z.number().describe("log-odds per standard deviation, before recalibration"),
  standardError: z.number().nonnegative().describe("of beta, from the inverse Hessian"),
});
export type ModelTerm = z.infer<typeof ModelTerm>;

/** Features whose contributions are added before drivers are ranked. */
export const DriverGroup = z.object({
  name: z.string().min(1),
  label: z.string().min(1),
  features: z.array(featureBase.name).min(1),
});
export type DriverGroup = z.infer<typeof DriverGroup>;

export const ChurnModel = z
  .object({
    formatVersion: z.literal(1),
    kind: z.literal("logistic_regression"),
    modelId: z.string().min(1),
    schemaHash: z.string().describe("of the features' names and kinds: a table with other columns cannot be scored"),
    horizonDays: z.int().positive(),
    trainedOn: z.array(z.string()).min(1).describe("cutoffs whose customers the coefficients were fitted on"),
    recalibratedOn: z.string().nullable().describe("cutoff whose customers the recalibration was fitted on"),
    rows: z.int().positive(),
    customers: z.int().positive(),
    l2: z.number().nonnegative(),
    logLikelihood: z.number(),
    features: z.array(FittedFeature).min(1),
    intercept: z.number(),
    terms: z.array(ModelTerm),
    recalibration: z.object({ intercept: z.number(), slope: z.number() }),
    threshold: z.number().min(0).max(1).describe("a customer is at risk where the probability is at least this"),
    groups: z.array(DriverGroup),
  })
  .superRefine((model, context) => {
    const features = new Map(model.features.map((feature) => [feature.name, feature]));
    const refuse = (message: string) => context.addIssue({ code: "custom", message });
    if (features.size !== model.features.length) refuse("two features have the same name");
    for (const { name, feature, part } of model.terms) {
      const kind = features.get(feature)?.kind;
      if (kind === undefined) refuse(`term ${name} reads the unknown feature ${feature}`);
      const ofKind = part.kind === "missing" || (part.kind === "value") === (kind === "number");
      if (kind !== undefined && !ofKind) refuse(`term ${name} does not fit a feature of kind ${kind}`);
    }
    const grouped = model.groups.flatMap((group) => group.features);
    if (new Set(grouped).size !== grouped.length) refuse("a feature belongs to two groups of drivers");
    for (const { feature } of model.terms)
      if (!grouped.includes(feature)) refuse(`feature ${feature} belongs to no group of drivers`);
    for (const name of grouped) if (!features.has(name)) refuse(`a group of drivers names the unknown feature ${name}`);
  });
export type ChurnModel = z.infer<typeof ChurnModel>;

/** Changes when a feature is added, removed, renamed, or changes kind; not with the fit. */
export const schemaHashOf = (features: readonly Pick<Feature, "name" | "kind">[]): string =>
  digest(...features.map(({ name, kind }) => `${name}:${kind}`).sort());

export interface Contribution {
  readonly name: string;
  readonly label: string;
  /** What the group adds to the log-odds, against a customer with the mean of every feature. */
  readonly logOdds: number;
}

export interface Score {
  readonly probability: number;
  /** Recalibrated: that of the mean customer plus all contributions. */
  readonly logOdds: number;
  readonly atRisk: boolean;
  /** The three largest contributions by size, either sign; equal ones in the order of the groups. */
  readonly drivers: readonly Contribution[];
}

/** Log-odds of a customer with the mean of every feature. */
export const meanLogOdds = ({ intercept, recalibration }: Pick<ChurnModel, "intercept" | "recalibration">): number =>
  recalibration.intercept + recalibration.slope * intercept;

/**
 * Each group's share of the log-odds: slope · β · (x − mean) / sd, added over its terms. For a linear model this is exact:
 * the shares and the mean customer's log-odds add up to the score. They say what goes with the score, not what causes it.
 */
export const contributionsOf = (model: ChurnModel, row: FeatureRow): Contribution[] => {
  const features = new Map(model.features.map((feature) => [feature.name, feature]));
  return model.groups.map(({ name, label, features: members }) => ({
    name,
    label,
    logOdds: model.terms
      .filter(({ feature }) => members.includes(feature))
      .reduce(
        (sum, term) => sum + model.recalibration.slope * term.beta * termOf(features.get(term.feature)!, term, row),
        0,
      ),
  }));
};

/** Scores one customer. A feature that the row lacks is missing. */
export const score = (model: ChurnModel, row: FeatureRow): Score => {
  const contributions = contributionsOf(model, row);
  const logOdds = contributions.reduce((sum, { logOdds }) => sum + logOdds, meanLogOdds(model));
  const probability = sigmoid(logOdds);
  return {
    probability,
    logOdds,
    atRisk: probability >= model.threshold,
    drivers: contributions.sort((a, b) => Math.abs(b.logOdds) - Math.abs(a.logOdds)).slice(0, 3),
  };
};
