/** What a run says about its model: all that the report shows, as plain JSON. */
import type { Interval } from "./bootstrap.ts";
import type { ReliabilityBin } from "./calibration.ts";
import type { Decile } from "./deciles.ts";
import type { Drift } from "./drift.ts";
import type { TermEffect } from "./drivers.ts";
import type { FeatureAuc } from "./leakage.ts";
import type { ChurnModel } from "./model.ts";
import type { DroppedTerm } from "./preprocessing.ts";
import type { CurvePoint } from "./ranking.ts";
import type { Confusion, ContactEconomics, ProfitPoint } from "./threshold.ts";

export type SliceRole = "train" | "calibrate" | "test" | "unused";

/** The customers at one cutoff. */
export interface SliceSummary {
  readonly cutoff: string;
  /** When its labels were known: cutoff + horizon. */
  readonly maturesAt: string;
  readonly role: SliceRole;
  readonly customers: number;
  readonly churned: number;
}

/** Figures of one set of probabilities on labelled customers. */
export interface Evaluation {
  readonly customers: number;
  readonly churned: number;
  readonly meanPredicted: number;
  readonly auc: Interval;
  readonly averagePrecision: Interval;
  readonly ks: Interval;
  readonly logLoss: Interval;
  readonly brier: Interval;
  readonly brierSkill: number;
  /** null where no line exists (one class, or one probability for all). */
  readonly calibration: {
    readonly slope: number;
    readonly slopeInterval: readonly [low: number, high: number];
    readonly intercept: number;
    readonly inTheLarge: number;
  } | null;
}

/** A line of the comparison: the model or a baseline on the test customers. */
export interface Comparison {
  readonly name: string;
  readonly evaluation: Evaluation;
  /** AUC of the model minus this one's, resampled in pairs; absent for the model itself. */
  readonly aucBehindModel?: Interval;
}

export interface Stratum {
  readonly name: string;
  readonly customers: number;
  readonly churned: number;
  /** null where fewer than ten customers left or stayed: nothing can be said. */
  readonly evaluation: Evaluation | null;
}

export interface FeatureQuality {
  readonly feature: string;
  readonly label: string;
  readonly missingTrain: number;
  readonly missingTest: number;
  /** Of numbers, over the training rows; null for a category or where no value is known. */
  readonly range: { readonly min: number; readonly median: number; readonly max: number } | null;
  /** Share of training rows outside the limits at which values are cut off. */
  readonly cutOff: number;
}

export interface DriverImportance {
  readonly name: string;
  readonly label: string;
  readonly features: readonly string[];
  /** Mean size of the group's contribution to the log-odds over the test customers. */
  readonly meanAbsoluteLogOdds: number;
}

export interface ModelCard {
  readonly formatVersion: 1;
  readonly modelId: string;
  readonly protocol: {
    readonly label: string;
    readonly horizonDays: number;
    readonly slices: readonly SliceSummary[];
    readonly l2: number;
    readonly bootstrapReplicates: number;
    readonly seed: number;
    /** Sentences on what this run could not do as intended. */
    readonly remarks: readonly string[];
  };
  readonly model: ChurnModel;
  readonly test: Evaluation;
  readonly comparison: readonly Comparison[];
  readonly strata: readonly Stratum[];
  readonly curves: {
    readonly roc: readonly CurvePoint[];
    readonly precisionRecall: readonly CurvePoint[];
    readonly gain: readonly CurvePoint[];
  };
  readonly reliability: readonly ReliabilityBin[];
  readonly deciles: readonly Decile[];
  /** Test customers by probability, in twenty bins of equal width. */
  readonly scoreDistribution: readonly {
    readonly from: number;
    readonly to: number;
    readonly churned: number;
    readonly stayed: number;
  }[];
  readonly drivers: readonly DriverImportance[];
  readonly effects: readonly TermEffect[];
  readonly dropped: readonly DroppedTerm[];
  readonly threshold: {
    readonly economics: ContactEconomics;
    readonly chosen: Confusion;
    readonly half: Confusion;
    readonly profit: readonly ProfitPoint[];
  };
  /** From the training rows to the test rows. */
  readonly drift: {
    readonly features: readonly ({ readonly feature: string; readonly label: string } & Drift)[];
    readonly score: Drift;
  };
  readonly leakage: { readonly limit: number; readonly aucAlone: readonly FeatureAuc[] };
  readonly quality: readonly FeatureQuality[];
}
