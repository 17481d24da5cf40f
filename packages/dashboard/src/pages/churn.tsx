import type { Churn, CurrentModel } from "../answers.ts";
import { Bars } from "../charts/bars.tsx";
import { count, day, money, percent, plainMoney } from "../format.ts";
import { CustomerTable } from "../parts/customer-table.tsx";
import { ModelQuality } from "../parts/model-quality.tsx";
import { ExportButton } from "../parts/export-button.tsx";
import { Fresh } from "../parts/no-run.tsx";
import { Panel } from "../parts/panel.tsx";
import { Answered, Empty } from "../parts/state.tsx";
import { Tile, Tiles } from "../parts/tiles.tsx";
import { type Route, changeView } from "../route.ts";
import { useAnswer } from "../use-answer.ts";

export const ChurnPage = ({ route: { search } }: { route: Route }) => {
  const churn = useAnswer<Churn>("/v1/churn");
  return (
    <>
      <h1>Churn</h1>
      {churn.problem?.status === 404 ? (
        <Empty title="No customer has been scored yet.">
          <p>{churn.problem.message}</p>
        </Empty>
      ) : (
        <Answered answer={churn}>
          {(data) => (
            <>
              <Fresh asOf={data.as_of} />
              <Overview churn={data} />
              <div class="panels">
                <AtRisk />
                <Threshold churn={data} chosen={search.get("threshold")} />
                <Distribution churn={data} />
                <Deciles churn={data} />
                <Reasons churn={data} />
              </div>
              <Quality />
            </>
          )}
        </Answered>
      )}
    </>
  );
};

const Overview = ({ churn }: { churn: Churn }) => (
  <Tiles>
    <Tile name="Customers scored" value={count(churn.customers)} />
    <Tile
      name={`Expected to leave within ${count(churn.horizon_days)} days`}
      value={count(churn.mean_probability * churn.customers)}
      note={percent(churn.mean_probability)}
    />
    <Tile name="Expected loss" value={money(churn.expected_loss_minor, churn.currency)} />
  </Tiles>
);

const AtRisk = () => (
  <Panel
    title="Who is at risk"
    wide
    note="By expected loss: the probability of leaving times what the customer is worth within the horizon if they stay. Associated with leaving is not the cause of it."
  >
    <div class="filters">
      <ExportButton path="/v1/customers" parameters={{ sort: "loss" }} filename="customers-at-risk">
        All of them as CSV
      </ExportButton>
    </div>
    <CustomerTable parameters={{ sort: "loss", limit: 25 }} label="Customers at risk" />
  </Panel>
);

/** A slider over the thresholds that the API computed: what contacting everybody above it would do. */
const Threshold = ({ churn, chosen }: { churn: Churn; chosen: string | null }) => {
  const { thresholds, currency } = churn;
  const best = thresholds.reduce(
    (top, one, index) => (one.expected_profit_minor > thresholds[top]!.expected_profit_minor ? index : top),
    0,
  );
  const wanted = chosen === null ? -1 : thresholds.findIndex((one) => one.threshold >= Number(chosen));
  const index = wanted === -1 ? best : wanted;
  const point = thresholds[index];
  return (
    <Panel
      title="Whom to contact"
      note="With the cost of a contact, the share of saves and the value of a customer that the run was given."
      sheet={{
        filename: "thresholds",
        header: ["threshold", "customers", "expected saves", "cost", "expected profit"],
        rows: () =>
          thresholds.map((one) => [
            one.threshold,
            one.customers,
            one.expected_saves,
            plainMoney(one.cost_minor, currency),
            plainMoney(one.expected_profit_minor, currency),
          ]),
      }}
    >
      {point === undefined ? (
        <Empty title="There are no thresholds." />
      ) : (
        <>
          <label>
            Contact customers who leave with at least {percent(point.threshold, 0)}
            <input
              type="range"
              min={0}
              max={thresholds.length - 1}
              value={index}
              aria-valuetext={percent(point.threshold, 0)}
              onInput={(event) =>
                changeView({ threshold: String(thresholds[Number(event.currentTarget.value)]!.threshold) })
              }
            />
          </label>
          <Tiles>
            <Tile name="Customers" value={count(point.customers)} />
            <Tile name="Expected saves" value={count(point.expected_saves)} />
            <Tile name="Cost" value={money(point.cost_minor, currency)} />
            <Tile name="Expected profit" value={money(point.expected_profit_minor, currency)} />
          </Tiles>
          {index !== best && (
            <button type="button" onClick={() => changeView({ threshold: undefined })}>
              Most profitable: {percent(thresholds[best]!.threshold, 0)}
            </button>
          )}
        </>
      )}
    </Panel>
  );
};

const Distribution = ({ churn: { distribution } }: { churn: Churn }) => (
  <Panel
    title="Customers by probability"
    sheet={{
      filename: "churn-distribution",
      header: ["from", "to", "customers"],
      rows: () => distribution.map((bin) => [bin.from, bin.to, bin.customers]),
    }}
  >
    <Bars
      label="Customers by probability of leaving"
      bars={distribution.map((bin) => ({
        name: `${percent(bin.from, 0)} to ${percent(bin.to, 0)}`,
        value: bin.customers,
        text: count(bin.customers),
      }))}
    />
  </Panel>
);

const Deciles = ({ churn: { deciles, currency } }: { churn: Churn }) => (
  <Panel
    title="Deciles"
    sheet={{
      filename: "churn-deciles",
      header: ["decile", "customers", "mean probability", "expected loss"],
      rows: () =>
        deciles.map((one) => [
          one.decile,
          one.customers,
          one.mean_probability,
          plainMoney(one.expected_loss_minor, currency),
        ]),
    }}
  >
    <Bars
      label="Mean probability of leaving by decile"
      bars={deciles.map((one) => ({
        name: `${one.decile}`,
        value: one.mean_probability,
        text: percent(one.mean_probability),
        note: money(one.expected_loss_minor, currency),
      }))}
    />
  </Panel>
);

const Reasons = ({ churn: { drivers } }: { churn: Churn }) => (
  <Panel
    title="Reasons named most"
    sheet={{
      filename: "churn-reasons",
      header: ["feature", "in words", "customers"],
      rows: () => drivers.map((one) => [one.feature, one.words, one.customers]),
    }}
  >
    <Bars
      label="Customers by the reason that weighs most"
      bars={drivers.map((one) => ({ name: one.words, value: one.customers, text: count(one.customers) }))}
    />
  </Panel>
);

const Quality = () => {
  const model = useAnswer<CurrentModel>("/v1/models/current");
  return (
    <details class="quality">
      <summary>How good is the model?</summary>
      <Answered answer={model}>
        {({ card, as_of: asOf }) => (
          <>
            {asOf !== undefined && <p class="note">Model of the run of {day(asOf.slice(0, 10))}.</p>}
            <ModelQuality card={card} />
          </>
        )}
      </Answered>
    </details>
  );
};
