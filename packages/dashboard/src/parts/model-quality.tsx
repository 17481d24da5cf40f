import type { ModelCard } from "@ebb/core/churn/model-card";
import { Curve, Dots, UnitPlot } from "../charts/plot.tsx";
import { count, decimal, percent } from "../format.ts";
import { Panel } from "./panel.tsx";
import { TableHead } from "./table-head.tsx";
import { Tile, Tiles } from "./tiles.tsx";

type Interval = ModelCard["test"]["auc"];
const within = ({ value, low, high }: Interval): string =>
  `${decimal(value, 3)} (${decimal(low, 3)} to ${decimal(high, 3)})`;

/** The model card, as far as a page of figures goes: whether its probabilities can be trusted, and against what. */
export const ModelQuality = ({ card }: { card: ModelCard }) => {
  const { test } = card;
  return (
    <>
      <Tiles>
        <Tile
          name="AUC"
          value={decimal(test.auc.value, 3)}
          note={`95 %: ${decimal(test.auc.low, 3)} to ${decimal(test.auc.high, 3)}`}
        />
        <Tile
          name="Left, of the test customers"
          value={percent(test.churned / test.customers)}
          note={`predicted ${percent(test.meanPredicted)}`}
        />
        {test.calibration !== null && (
          <Tile name="Calibration slope" value={decimal(test.calibration.slope)} note="1 is right" />
        )}
        <Tile name="Brier skill" value={decimal(test.brierSkill)} note="against the base rate; 0 is no better" />
      </Tiles>
      <div class="panels narrow">
        <Baselines card={card} />
        <Calibration card={card} />
        <Curves card={card} />
        <Lift card={card} />
      </div>
      {card.protocol.remarks.length > 0 && (
        <ul>
          {card.protocol.remarks.map((remark) => (
            <li key={remark}>{remark}</li>
          ))}
        </ul>
      )}
    </>
  );
};

const Baselines = ({ card: { comparison, strata } }: { card: ModelCard }) => (
  <Panel
    title="Beside its baselines"
    wide
    sheet={{
      filename: "churn-baselines",
      header: ["what", "customers", "auc", "low", "high", "brier", "log loss"],
      rows: () =>
        comparison.map(({ name, evaluation: one }) => [
          name,
          one.customers,
          one.auc.value,
          one.auc.low,
          one.auc.high,
          one.brier.value,
          one.logLoss.value,
        ]),
    }}
  >
    <table>
      <TableHead columns={["What", { number: "Customers" }, { number: "AUC, 95 % interval" }, { number: "Brier" }]} />
      <tbody>
        {comparison.map(({ name, evaluation }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td class="number">{count(evaluation.customers)}</td>
            <td class="number">{within(evaluation.auc)}</td>
            <td class="number">{decimal(evaluation.brier.value, 4)}</td>
          </tr>
        ))}
        {strata.map(({ name, customers, evaluation }) => (
          <tr key={name}>
            <th scope="row">the model on: {name}</th>
            <td class="number">{count(customers)}</td>
            <td class="number">{evaluation === null ? "too few" : within(evaluation.auc)}</td>
            <td class="number">{evaluation === null ? "" : decimal(evaluation.brier.value, 4)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </Panel>
);

const diagonal = [
  { x: 0, y: 0 },
  { x: 1, y: 1 },
];

const Calibration = ({ card: { reliability } }: { card: ModelCard }) => (
  <Panel
    title="Calibration"
    note="Of the customers told a probability, how many left. On the line the model is right."
    sheet={{
      filename: "calibration",
      header: ["predicted", "observed", "customers"],
      rows: () => reliability.map((bin) => [bin.meanPredicted, bin.observed, bin.customers]),
    }}
  >
    <UnitPlot label="Observed by predicted probability" xName="predicted" yName="left">
      <Curve points={diagonal} dotted />
      <Dots points={reliability.map((bin) => ({ x: bin.meanPredicted, y: bin.observed }))} />
    </UnitPlot>
  </Panel>
);

const Curves = ({ card: { curves } }: { card: ModelCard }) => (
  <Panel
    title="ROC"
    sheet={{
      filename: "roc",
      header: ["false positive rate", "true positive rate"],
      rows: () => curves.roc.map(({ x, y }) => [x, y]),
    }}
  >
    <UnitPlot label="ROC curve" xName="false positive rate" yName="true positive rate">
      <Curve points={diagonal} dotted />
      <Curve points={curves.roc} />
    </UnitPlot>
  </Panel>
);

const Lift = ({ card: { deciles, curves } }: { card: ModelCard }) => (
  <Panel
    title="Gain"
    note={
      deciles[0] === undefined
        ? undefined
        : `The most likely tenth leaves ${decimal(deciles[0].lift, 2)} times as often as all customers.`
    }
    sheet={{
      filename: "gain",
      header: ["share contacted", "share of leavers reached"],
      rows: () => curves.gain.map(({ x, y }) => [x, y]),
    }}
  >
    <UnitPlot
      label="Share of leavers reached by share of customers contacted"
      xName="contacted"
      yName="leavers reached"
    >
      <Curve points={diagonal} dotted />
      <Curve points={curves.gain} />
    </UnitPlot>
  </Panel>
);
