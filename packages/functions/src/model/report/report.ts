/** A run's report: the model card as one HTML page that needs nothing else, and as JSON. */
import type { Evaluation, ModelCard } from "@ebb/core/churn/model-card";
import { html, type Html, table } from "./html.ts";
import { count, fixed, percent, short, withInterval } from "./numbers.ts";
import * as plots from "./plots.ts";
import { styles } from "./styles.ts";
import type { SourceHistory } from "../sql/history.ts";
import { DAY_MS } from "@ebb/core/time";

/** How fresh the data is that a run has seen. */
export interface Freshness {
  /** UTC day `YYYY-MM-DD`: nothing from its midnight on is known. */
  readonly asOf: string;
  readonly sources: readonly SourceHistory[];
  /** The model is that of an earlier run: nothing that it was fitted on has changed since. */
  readonly kept?: boolean;
}

/** The JSON model card, indented, ending in a line break. The same card gives the same bytes. */
export const reportJson = (card: ModelCard): string => `${JSON.stringify(card, null, 2)}\n`;

/**
 * The HTML report. No script, no address outside: it can be mailed, archived, opened from a disk.
 * @param sources what each source has sent of orders before `asOf`
 */
export const reportHtml = (card: ModelCard, { asOf, sources, kept = false }: Freshness): string =>
  `<!doctype html>\n${
    html`<html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>Churn model ${card.modelId}</title>
        <style>
          ${{ html: styles }}
        </style>
      </head>
      <body>
        <main>
          <h1>Churn model <code>${card.modelId}</code></h1>
          ${kept ? keptRemark(card, asOf) : html``} ${summary(card)} ${protocol(card)}
          ${section("Against simpler answers", comparison(card), [plots.rocPlot(card), plots.precisionRecallPlot(card)])}
          ${section("Calibration", calibration(card), [plots.calibrationPlot(card), plots.distributionPlot(card)])}
          ${section("Reaching those who leave", null, [plots.liftPlot(card), plots.gainPlot(card)])}
          ${section("Threshold", economics(card), [plots.profitPlot(card)])}
          ${section("Drivers", drivers(card), [plots.driversPlot(card)])}
          ${section("Drift", null, [plots.driftPlot(card)])}
          ${section("Data quality", html`${quality(card)} ${freshness(asOf, sources)}`, [])}
        </main>
      </body>
    </html>`.html
  }\n`;

const keptRemark = ({ modelId }: ModelCard, asOf: string): Html =>
  html`<p>
    Not fitted again for ${asOf}: the cutoffs of the past and the rows at them are those that the run
    <code>${modelId}</code> fitted it on, and would give the same model.
  </p>`;

const section = (title: string, text: Html | null, figures: readonly Html[]): Html =>
  html`<section>
    <h2>${title}</h2>
    ${text ?? html``}
    <div class="figures">${figures}</div>
  </section>`;

const summary = ({ test, comparison: lines }: ModelCard): Html => {
  const best = lines
    .slice(1)
    .reduce<(typeof lines)[number] | undefined>(
      (found, line) => (found === undefined || line.evaluation.auc.value > found.evaluation.auc.value ? line : found),
      undefined,
    );
  const facts: readonly (readonly [string, string])[] = [
    ["Customers judged", count(test.customers)],
    ["Left", percent(test.churned / test.customers)],
    ["Predicted to leave, mean", percent(test.meanPredicted)],
    ["AUC", withInterval(test.auc)],
    ...(best === undefined ? [] : [[`Best simpler answer: ${best.name}`, withInterval(best.evaluation.auc)] as const]),
    ["Brier skill", fixed(test.brierSkill)],
    ["Calibration slope", fixed(test.calibration?.slope ?? null, 2)],
  ];
  return html`<dl class="facts">
    ${facts.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
};

const protocol = ({ protocol: { label, horizonDays, slices, remarks, ...rest }, model }: ModelCard): Html =>
  html`<section>
    <h2>Protocol</h2>
    <p>
      Leaving means: ${label}. Features know what came before a cutoff, labels the ${horizonDays} days after it. What is
      fitted never sees a day on which it is judged. L2 penalty ${rest.l2}; intervals at 95 % from
      ${count(rest.bootstrapReplicates)} resamples of customers, seed ${rest.seed}; schema
      <code>${model.schemaHash}</code>.
    </p>
    ${
      remarks.length === 0
        ? html``
        : html`<ul class="remarks">
            ${remarks.map((remark) => html`<li>${remark}</li>`)}
          </ul>`
    }
    ${table(
      "Cutoffs",
      ["Cutoff", "Labels known", "Used to", "Customers", "Left", "Share"],
      slices.map((slice) => [
        slice.cutoff,
        slice.maturesAt,
        slice.role,
        count(slice.customers),
        count(slice.churned),
        percent(slice.customers === 0 ? null : slice.churned / slice.customers),
      ]),
    )}
  </section>`;

const figuresOf = (evaluation: Evaluation): string[] => [
  withInterval(evaluation.auc),
  withInterval(evaluation.averagePrecision),
  withInterval(evaluation.ks),
  withInterval(evaluation.logLoss),
  withInterval(evaluation.brier, 4),
  fixed(evaluation.brierSkill),
];
const FIGURES = ["AUC", "Average precision", "KS", "Log loss", "Brier", "Brier skill"] as const;

const comparison = ({ comparison: lines, strata }: ModelCard): Html =>
  html`${table(
    "The model and its baselines on the test customers",
    ["", ...FIGURES, "AUC behind the model"],
    lines.map(({ name, evaluation, aucBehindModel }) => [
      name,
      ...figuresOf(evaluation),
      aucBehindModel === undefined ? "–" : withInterval(aucBehindModel),
    ]),
  )}
  ${
    strata.length === 0
      ? html``
      : table(
          "Groups of customers",
          ["", "Customers", "Left", ...FIGURES],
          strata.map(({ name, customers, churned, evaluation }) => [
            name,
            count(customers),
            percent(customers === 0 ? null : churned / customers),
            ...(evaluation === null ? FIGURES.map(() => "too few") : figuresOf(evaluation)),
          ]),
        )
  }`;

const calibration = ({ test, model }: ModelCard): Html =>
  html`<p>
    Predicted ${percent(test.meanPredicted)}, left ${percent(test.churned / test.customers)}.
    ${
      model.recalibratedOn === null
        ? "The probabilities were not recalibrated."
        : `Recalibrated on the customers of ${model.recalibratedOn}: intercept ${fixed(model.recalibration.intercept)}, slope ${fixed(model.recalibration.slope)}.`
    }
  </p>`;

const economics = ({ threshold: { economics: given, chosen } }: ModelCard): Html =>
  html`<p>
    Assumed: a contact costs ${short(given.contactCostMinor / 100)}, keeps ${percent(given.saveRate)} of those who would
    leave, and a kept customer is worth ${short(given.valueMinor / 100)}. A contact pays from a probability of
    ${percent(chosen.threshold)} on. Who is likely to leave is not who can be persuaded: keep a control group, and
    measure the share that contacts keep.
  </p>`;

const drivers = ({ drivers: groups, dropped }: ModelCard): Html =>
  html`${table(
    "Groups of features by their weight in the scores",
    ["Group", "Features", "Mean size in log-odds"],
    groups.map(({ label, features, meanAbsoluteLogOdds }) => [label, features.join(", "), fixed(meanAbsoluteLogOdds)]),
  )}
  ${
    dropped.length === 0
      ? html``
      : table(
          "Terms left out",
          ["Term", "Because"],
          dropped.map(({ name, reason }) => [
            name,
            { no_values: "no values", constant: "constant", collinear: "follows from others" }[reason],
          ]),
        )
  }`;

const quality = ({ quality: features, leakage }: ModelCard): Html =>
  table(
    `Features on the training and test customers; an AUC above ${leakage.limit} alone would mean that a feature knows the answer`,
    ["Feature", "Missing in training", "Missing in test", "Least", "Median", "Most", "Cut off", "AUC alone"],
    features.map(({ feature, label, missingTrain, missingTest, range, cutOff }) => [
      label,
      percent(missingTrain),
      percent(missingTest),
      range === null ? "–" : short(range.min),
      range === null ? "–" : short(range.median),
      range === null ? "–" : short(range.max),
      percent(cutOff),
      fixed(leakage.aucAlone.find((alone) => alone.feature === feature)?.auc ?? null),
    ]),
  );

const freshness = (asOf: string, sources: readonly SourceHistory[]): Html =>
  table(
    "Sources of orders; one that is silent for much longer than it ever was stops the model",
    ["Source", "Events of orders", "First day", "Last day", "Days of silence", "Longest pause before, days"],
    sources.map(({ source, events, firstDay, lastDay, longestGapDays }) => [
      source,
      count(events),
      firstDay,
      lastDay,
      // A source that sent on the day before has not been silent.
      count(Math.max(0, Math.round((Date.parse(asOf) - Date.parse(lastDay)) / DAY_MS) - 1)),
      count(longestGapDays),
    ]),
  );
