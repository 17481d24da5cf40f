/** The plots of a model card. */
import type { ModelCard } from "@ebb/core/churn/model-card";
import { figure, type Html, table } from "./html.ts";
import { count, fixed, percent, range, short } from "./numbers.ts";
import { type Axis, Plot, type Point } from "./svg.ts";

const share = (label: string): Axis => ({ label, from: 0, to: 1, format: (value) => `${Math.round(value * 100)} %` });
const DIAGONAL: readonly Point[] = [
  { x: 0, y: 0 },
  { x: 1, y: 1 },
];

/** A tenth of a curve's points as rows. */
const everyTenth = (points: readonly Point[]): string[][] =>
  points
    .filter((_, i) => i % Math.ceil(points.length / 12) === 0 || i === points.length - 1)
    .map(({ x, y }) => [percent(x), percent(y)]);

export const rocPlot = ({ curves, test }: ModelCard): Html =>
  figure(
    new Plot(share("Stayers wrongly flagged"), share("Churners found"))
      .line(DIAGONAL, "reference")
      .line(curves.roc, "data")
      .svg(`ROC curve, area ${fixed(test.auc.value)}`),
    `ROC: the area under the curve is ${fixed(test.auc.value)}; guessing follows the diagonal, 0.5.`,
    table("ROC curve", ["Stayers wrongly flagged", "Churners found"], everyTenth(curves.roc)),
  );

export const precisionRecallPlot = ({ curves, test }: ModelCard): Html => {
  const base = test.churned / test.customers;
  return figure(
    new Plot(share("Churners found (recall)"), share("Flagged who leave (precision)"))
      .line(
        [
          { x: 0, y: base },
          { x: 1, y: base },
        ],
        "reference",
      )
      .line(curves.precisionRecall, "data")
      .svg(`Precision by recall, average precision ${fixed(test.averagePrecision.value)}, base rate ${percent(base)}`),
    `Precision and recall: average precision ${fixed(test.averagePrecision.value)} against a base rate of ${fixed(base)}.`,
    table("Precision by recall", ["Recall", "Precision"], everyTenth(curves.precisionRecall)),
  );
};

export const calibrationPlot = ({ reliability, test }: ModelCard): Html => {
  const plot = new Plot(share("Predicted to leave"), share("Left")).line(DIAGONAL, "reference");
  for (const {
    meanPredicted: x,
    observed,
    observedInterval: [low, high],
  } of reliability)
    plot
      .line(
        [
          { x, y: low },
          { x, y: high },
        ],
        "other",
      )
      .dot({ x, y: observed });
  const { calibration } = test;
  return figure(
    plot.svg("Observed churn by predicted probability, with 95 % intervals"),
    calibration === null
      ? "Calibration: observed against predicted, in bins of equally many customers."
      : `Calibration: slope ${fixed(calibration.slope, 2)} (1 is perfect), intercept ${fixed(calibration.intercept, 2)}; bins of equally many customers, bars are 95 % intervals.`,
    table(
      "Reliability",
      ["Predicted between", "Customers", "Mean predicted", "Left", "95 % interval"],
      reliability.map((bin) => [
        `${percent(bin.from)} and ${percent(bin.to)}`,
        count(bin.customers),
        percent(bin.meanPredicted),
        percent(bin.observed),
        `${percent(bin.observedInterval[0])} to ${percent(bin.observedInterval[1])}`,
      ]),
    ),
  );
};

export const gainPlot = ({ curves, deciles }: ModelCard): Html =>
  figure(
    new Plot(share("Customers contacted, riskiest first"), share("Churners among them"))
      .line(DIAGONAL, "reference")
      .line(curves.gain, "data")
      .svg("Share of churners reached by share of customers contacted"),
    "Gain: how many of those who leave are reached by contacting the riskiest customers first. Tenths and their lift are in the table of deciles.",
    table(
      "Gain by tenths",
      ["Tenths contacted", "Churners among them", "Lift of the tenth"],
      deciles.map(({ decile, gain, lift }) => [String(decile), percent(gain), fixed(lift, 2)]),
    ),
  );

export const liftPlot = ({ deciles }: ModelCard): Html => {
  const highest = Math.max(1.2, ...deciles.map(({ lift }) => lift));
  const plot = new Plot(
    {
      label: "Tenth of customers, riskiest first",
      from: 0.5,
      to: 10.5,
      format: String,
      ticks: deciles.map(({ decile }) => decile),
    },
    { label: "Lift", from: 0, to: highest, format: (value) => fixed(value, 1) },
  );
  for (const { decile, lift } of deciles) plot.bar({ x: decile - 0.4, y: 0 }, { x: decile + 0.4, y: lift }, "bar");
  plot.line(
    [
      { x: 0.5, y: 1 },
      { x: 10.5, y: 1 },
    ],
    "reference",
  );
  return figure(
    plot.svg("Lift of each tenth of customers"),
    "Lift: churn of each tenth over that of all customers (the line at 1).",
    table(
      "Deciles",
      ["Tenth", "Customers", "Left", "Mean predicted", "Observed", "Lift", "Gain"],
      deciles.map((row) => [
        String(row.decile),
        count(row.customers),
        count(row.churned),
        percent(row.meanPredicted),
        percent(row.observed),
        fixed(row.lift, 2),
        percent(row.gain),
      ]),
    ),
  );
};

/** Odds ratios on a logarithmic axis, the strongest first. */
export const driversPlot = ({ effects }: ModelCard): Html => {
  const shown = effects.toSorted((a, b) => Math.abs(b.beta) - Math.abs(a.beta)).slice(0, 20);
  const bound = Math.max(
    0.1,
    ...shown.flatMap(({ oddsRatioInterval }) => oddsRatioInterval.map((odds) => Math.abs(Math.log(odds)))),
  );
  const plot = new Plot(
    {
      label: "Odds of leaving, per standard deviation",
      from: -bound,
      to: bound,
      format: (value) => `×${fixed(Math.exp(value), 2)}`,
    },
    { label: "", from: -0.5, to: shown.length - 0.5, format: () => "", ticks: [] },
    { height: 70 + 22 * shown.length, left: 210 },
  ).line(
    [
      { x: 0, y: -0.5 },
      { x: 0, y: shown.length - 0.5 },
    ],
    "reference",
  );
  shown.forEach(({ label, beta, oddsRatioInterval: [low, high] }, i) => {
    const y = shown.length - 1 - i;
    plot
      .rowName(label, y)
      .line(
        [
          { x: Math.log(low), y },
          { x: Math.log(high), y },
        ],
        "other",
      )
      .dot({ x: beta, y });
  });
  return figure(
    plot.svg("Odds ratios of the model's terms with 95 % intervals"),
    "What goes with leaving: odds ratio for a rise by one standard deviation, other terms equal, with 95 % intervals. Associated, not causes.",
    table(
      "Effects",
      [
        "Term",
        "Group",
        "Log-odds per SD",
        "Odds ratio per SD",
        "95 % interval",
        "Log-odds per unit",
        "VIF",
        "Same sign in slices",
      ],
      effects.map((effect) => [
        effect.label,
        effect.group,
        fixed(effect.beta),
        fixed(effect.oddsRatio, 2),
        range(effect.oddsRatioInterval),
        short(effect.betaPerUnit),
        fixed(effect.varianceInflation, 1),
        percent(effect.signStability, 0),
      ]),
    ),
  );
};

export const distributionPlot = ({ scoreDistribution, model }: ModelCard): Html => {
  const highest = Math.max(1, ...scoreDistribution.map(({ churned, stayed }) => churned + stayed));
  const plot = new Plot(share("Probability of leaving"), { label: "Customers", from: 0, to: highest, format: count });
  for (const { from, to, churned, stayed } of scoreDistribution)
    plot
      .bar({ x: from, y: 0 }, { x: to, y: churned }, "bar")
      .bar({ x: from, y: churned }, { x: to, y: churned + stayed }, "bar-other");
  plot.line(
    [
      { x: model.threshold, y: 0 },
      { x: model.threshold, y: highest },
    ],
    "reference",
  );
  return figure(
    plot.svg("Customers by probability, those who left below those who stayed"),
    `Scores: strong bars left, pale bars stayed; the line is the threshold, ${percent(model.threshold)}.`,
    table(
      "Customers by probability",
      ["Probability", "Left", "Stayed"],
      scoreDistribution.map(({ from, to, churned, stayed }) => [
        `${percent(from, 0)} to ${percent(to, 0)}`,
        count(churned),
        count(stayed),
      ]),
    ),
  );
};

export const profitPlot = ({ threshold: { profit, chosen, half } }: ModelCard): Html => {
  const values = profit.map(({ profitPerThousandMinor }) => profitPerThousandMinor / 100);
  const [lowest, highest] = [Math.min(0, ...values), Math.max(0, ...values)];
  const points = profit.map(({ threshold: x }, i) => ({ x, y: values[i]! }));
  return figure(
    new Plot(share("Contact from this probability on"), {
      label: "Profit per 1,000 customers",
      from: lowest,
      to: highest > lowest ? highest : lowest + 1,
      format: short,
    })
      .line(points, "data")
      .line(
        [
          { x: chosen.threshold, y: lowest },
          { x: chosen.threshold, y: highest },
        ],
        "reference",
      )
      .svg("Profit per thousand customers by threshold"),
    "Profit of contacting everybody above a threshold, per 1,000 customers, by the assumptions above; the line is the threshold in use.",
    table(
      "Decisions at two thresholds",
      [
        "Threshold",
        "Flagged, left",
        "Flagged, stayed",
        "Not flagged, left",
        "Not flagged, stayed",
        "Accuracy",
        "Precision",
        "Recall",
        "Profit per 1,000",
      ],
      [chosen, half].map((row) => [
        percent(row.threshold),
        count(row.truePositives),
        count(row.falsePositives),
        count(row.falseNegatives),
        count(row.trueNegatives),
        percent(row.accuracy),
        percent(row.precision),
        percent(row.recall),
        short(row.profitPerThousandMinor / 100),
      ]),
    ),
  );
};

/** Stability index of each feature and of the score, with the band that chance stays below. */
export const driftPlot = ({ drift }: ModelCard): Html => {
  const rows = [{ label: "Score", ...drift.score }, ...drift.features.toSorted((a, b) => b.psi - a.psi)];
  const shown = rows.slice(0, 25);
  const highest = Math.max(0.05, ...shown.map(({ psi, band }) => Math.max(psi, band)));
  const plot = new Plot(
    { label: "Population stability index", from: 0, to: highest, format: (value) => fixed(value, 2) },
    { label: "", from: -0.5, to: shown.length - 0.5, format: () => "", ticks: [] },
    { height: 70 + 22 * shown.length, left: 210 },
  );
  shown.forEach(({ label, psi, band }, i) => {
    const y = shown.length - 1 - i;
    plot
      .rowName(label, y)
      .bar({ x: 0, y: y - 0.3 }, { x: psi, y: y + 0.3 }, psi > band ? "bar" : "bar-other")
      .line(
        [
          { x: band, y: y - 0.45 },
          { x: band, y: y + 0.45 },
        ],
        "reference",
      );
  });
  return figure(
    plot.svg("Drift of the features and of the score from the training to the test customers"),
    "Drift from training to test: strong bars pass the mark that chance passes once in twenty.",
    table(
      "Drift",
      ["What", "Index", "Chance stays below", "Training rows", "Test rows", "Missing in training", "Missing in test"],
      rows.map((row) => [
        row.label,
        fixed(row.psi),
        fixed(row.band),
        count(row.expectedRows),
        count(row.actualRows),
        percent(row.expectedMissing),
        percent(row.actualMissing),
      ]),
    ),
  );
};
