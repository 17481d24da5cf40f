import type { Segments } from "../answers.ts";
import { Bars } from "../charts/bars.tsx";
import { count, decimal, money, percent, plainMoney, shortMoney } from "../format.ts";
import { CustomerTable } from "../parts/customer-table.tsx";
import { ExportButton } from "../parts/export-button.tsx";
import { Fresh, NoRun } from "../parts/no-run.tsx";
import { Panel } from "../parts/panel.tsx";
import { Answered, Empty } from "../parts/state.tsx";
import { TableHead } from "../parts/table-head.tsx";
import { type Route, changeView, linkTo } from "../route.ts";
import { useAnswer } from "../use-answer.ts";

type Sort = "value" | "churn" | "lastOrder";
const sorts: Readonly<Record<Sort, string>> = {
  value: "most valuable first",
  churn: "most likely to leave first",
  lastOrder: "latest order first",
};

export const CustomersPage = ({ route: { search } }: { route: Route }) => {
  const segments = useAnswer<Segments>("/v1/segments");
  const segment = search.get("segment") ?? undefined;
  const sort = Object.keys(sorts).find((one): one is Sort => one === search.get("sort")) ?? "value";
  return (
    <>
      <h1>Customers</h1>
      <Answered answer={segments}>
        {(data) =>
          data.segments.length === 0 ? (
            <NoRun />
          ) : (
            <>
              <Fresh asOf={data.as_of} />
              <div class="panels">
                <Grid segments={data} />
                <SegmentSizes segments={data} />
                <Movements segments={data} />
                <Clusters segments={data} />
                <ListPanel segment={segment} sort={sort} />
              </div>
            </>
          )
        }
      </Answered>
    </>
  );
};

const five = [5, 4, 3, 2, 1] as const;

/** Movements that the chart shows; its table has them all. */
const MOVEMENTS = 12;

/** Recency down, frequency and money across: counts, money and the segment of each field. */
const Grid = ({ segments: { grid, currency } }: { segments: Segments }) => {
  const largest = Math.max(...grid.map((cell) => cell.customers), 1);
  return (
    <Panel
      title="Recency by frequency and money"
      note="Each field: customers and their net money. The stronger the colour, the more customers."
      sheet={{
        filename: "rfm-grid",
        header: ["recency", "frequency and money", "segment", "customers", "net"],
        rows: () =>
          grid.map((cell) => [
            cell.recency,
            cell.frequency_monetary,
            cell.segment,
            cell.customers,
            plainMoney(cell.net_minor, currency),
          ]),
      }}
    >
      <div class="scroll" tabIndex={0} role="region" aria-label="RFM grid">
        <table class="grid">
          <thead>
            <tr>
              <th scope="col">Recency</th>
              {five.toReversed().map((score) => (
                <th key={score} scope="col">
                  FM {score}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {five.map((recency) => (
              <tr key={recency}>
                <th scope="row">R {recency}</th>
                {five.toReversed().map((score) => {
                  const cell = grid.find((one) => one.recency === recency && one.frequency_monetary === score);
                  const shade = cell === undefined ? 0 : Math.ceil((5 * cell.customers) / largest);
                  return (
                    <td key={score} class={`shade-${shade}`}>
                      {cell === undefined ? (
                        "0"
                      ) : (
                        <>
                          <a href={linkTo("customers", { segment: cell.segment })}>{cell.segment}</a>
                          <b>{count(cell.customers)}</b>
                          <span class="soft">{shortMoney(cell.net_minor, currency)}</span>
                        </>
                      )}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
};

const SegmentSizes = ({ segments: { segments, currency } }: { segments: Segments }) => (
  <Panel
    title="Segments"
    sheet={{
      filename: "segments",
      header: ["segment", "customers", "net", "mean churn probability", "expected loss"],
      rows: () =>
        segments.map((one) => [
          one.segment,
          one.customers,
          plainMoney(one.net_minor, currency),
          one.mean_churn_probability,
          one.expected_loss_minor === undefined ? undefined : plainMoney(one.expected_loss_minor, currency),
        ]),
    }}
  >
    <Bars
      label="Customers by segment"
      bars={segments.map((one) => ({
        name: one.segment,
        value: one.customers,
        text: count(one.customers),
        note: `${shortMoney(one.net_minor, currency)}${one.mean_churn_probability === undefined ? "" : `, ${percent(one.mean_churn_probability, 0)} leave`}`,
        href: linkTo("customers", { segment: one.segment }),
      }))}
    />
  </Panel>
);

const Movements = ({ segments: { movements } }: { segments: Segments }) => (
  <Panel
    title="Movement since the last run"
    sheet={{
      filename: "segment-movements",
      header: ["from", "to", "customers"],
      rows: () => movements.map((one) => [one.from, one.to, one.customers]),
    }}
  >
    {movements.length === 0 ? (
      <Empty title="Nobody changed segment, or there is no earlier run." />
    ) : (
      <Bars
        label="Customers who changed segment"
        bars={movements.slice(0, MOVEMENTS).map((one) => ({
          name: `${one.from} → ${one.to}`,
          value: one.customers,
          text: count(one.customers),
        }))}
      />
    )}
  </Panel>
);

const Clusters = ({ segments: { clusters, currency } }: { segments: Segments }) => (
  <Panel
    title="Clusters"
    note="Found by K-Means on recency, frequency and money, beside the segments that are drawn by rule."
    sheet={{
      filename: "clusters",
      header: ["cluster", "customers", "net", "mean recency, days", "mean orders"],
      rows: () =>
        clusters.map((one) => [
          one.cluster,
          one.customers,
          plainMoney(one.net_minor, currency),
          one.recency_days,
          one.orders,
        ]),
    }}
  >
    {clusters.length === 0 ? (
      <Empty title="The last run found no clusters." />
    ) : (
      <div class="scroll" tabIndex={0} role="region" aria-label="Clusters, a row each">
        <table>
          <TableHead
            columns={[
              "Cluster",
              { number: "Customers" },
              { number: "Net" },
              { number: "Days since order" },
              { number: "Orders" },
            ]}
          />
          <tbody>
            {clusters.map((one) => (
              <tr key={one.cluster}>
                <th scope="row">{one.cluster}</th>
                <td class="number">{count(one.customers)}</td>
                <td class="number">{money(one.net_minor, currency)}</td>
                <td class="number">{count(one.recency_days)}</td>
                <td class="number">{decimal(one.orders, 1)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    )}
  </Panel>
);

const ListPanel = ({ segment, sort }: { segment: string | undefined; sort: Sort }) => (
  <Panel title={segment ?? "All customers"} wide>
    <div class="filters">
      <label>
        Order
        <select value={sort} onChange={(event) => changeView({ sort: event.currentTarget.value })}>
          {Object.entries(sorts).map(([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </select>
      </label>
      {segment !== undefined && (
        <>
          <ExportButton
            path={`/v1/segments/${encodeURIComponent(segment)}/customers`}
            filename={segment.toLowerCase().replaceAll(/[^a-z]+/g, "-")}
          >
            Whole segment as CSV
          </ExportButton>
          <button type="button" onClick={() => changeView({ segment: undefined })}>
            All segments
          </button>
        </>
      )}
    </div>
    <CustomerTable parameters={{ segment, sort, limit: 50 }} label={segment ?? "All customers"} />
  </Panel>
);
