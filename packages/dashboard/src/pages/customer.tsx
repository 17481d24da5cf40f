import { useState } from "preact/hooks";
import type { Customer, Timeline } from "../answers.ts";
import { TimeSeries } from "../charts/time-series.tsx";
import { count, day, instant, major, money, percent, plainMoney, shortMoney } from "../format.ts";
import { Drivers } from "../parts/drivers.tsx";
import { Panel } from "../parts/panel.tsx";
import { Answered, Empty } from "../parts/state.tsx";
import { Tile, Tiles } from "../parts/tiles.tsx";
import { TableHead } from "../parts/table-head.tsx";
import { addDays, secondsOf } from "../period.ts";
import { type Route, linkTo } from "../route.ts";
import { useAnswer } from "../use-answer.ts";

export const CustomerPage = ({ route }: { route: Route }) => (
  <>
    <h1>Customer</h1>
    <Finder id={route.part} />
    {route.part !== undefined && <CustomerView id={route.part} />}
  </>
);

const Finder = ({ id }: { id: string | undefined }) => {
  const [text, setText] = useState(id ?? "");
  return (
    <form
      class="finder"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim() !== "") location.hash = linkTo("customer", {}, text.trim());
      }}
    >
      <label>
        Customer id, or customer key
        <input
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          autocomplete="off"
          spellcheck={false}
        />
      </label>
      <button type="submit">Open</button>
    </form>
  );
};

const CustomerView = ({ id }: { id: string }) => {
  const path = `/v1/customers/${encodeURIComponent(id)}`;
  const customer = useAnswer<Customer>(path);
  const timeline = useAnswer<Timeline>(`${path}/timeline`);
  return (
    <Answered answer={customer}>
      {(data) => (
        <>
          <Figures customer={data} asked={id} />
          <div class="panels">
            {data.churn !== undefined && <ChurnPanel churn={data.churn} />}
            <Months customer={data} />
            <Answered answer={timeline}>
              {(story) => (
                <>
                  <History history={story.history} />
                  <Story timeline={story} />
                </>
              )}
            </Answered>
          </div>
        </>
      )}
    </Answered>
  );
};

const Figures = ({ customer, asked }: { customer: Customer; asked: string }) => {
  const { currency, scores, value } = customer;
  return (
    <>
      {asked !== customer.customer_key && (
        <p class="key">
          <code>{customer.customer_key}</code>
        </p>
      )}
      <Tiles>
        <Tile
          name="Segment"
          value={customer.segment}
          note={
            scores === undefined
              ? undefined
              : `recency ${scores.recency}, frequency ${scores.frequency}, monetary ${scores.monetary}`
          }
        />
        <Tile name="Orders" value={count(customer.orders)} />
        <Tile
          name="Net"
          value={money(customer.net_minor, currency)}
          note={customer.refunds_minor > 0 ? `${money(customer.refunds_minor, currency)} given back` : undefined}
        />
        {customer.last_order_at !== undefined && (
          <Tile
            name="Last order"
            value={day(customer.last_order_at.slice(0, 10))}
            note={customer.recency_days === undefined ? undefined : `${count(customer.recency_days)} days ago`}
          />
        )}
        {value !== undefined && (
          <Tile
            name="Expected value"
            value={money(value.expected_minor, currency)}
            note={
              value.probability_active === undefined ? undefined : `active with ${percent(value.probability_active)}`
            }
          />
        )}
      </Tiles>
    </>
  );
};

const ChurnPanel = ({ churn }: { churn: NonNullable<Customer["churn"]> }) => (
  <Panel
    title="Likely to leave?"
    note={`Probability of no order in the ${count(churn.horizon_days)} days after ${day(churn.as_of.slice(0, 10))}.`}
    sheet={{
      filename: "customer-drivers",
      header: ["feature", "in words", "log-odds"],
      rows: () => churn.drivers.map((one) => [one.feature, one.words, one.log_odds]),
    }}
  >
    <p>
      <span class="figure">{percent(churn.probability)}</span>{" "}
      <span class="soft">decile {churn.decile} of 10, the first being the likeliest</span>
    </p>
    <h3>Why</h3>
    <Drivers drivers={churn.drivers} />
  </Panel>
);

const monthSeconds = (month: string): number => Date.parse(`${month}-01T00:00:00Z`) / 1000;

/** Net by month from the first to the last, months without an order too. */
const netByMonth = (months: Customer["months"]): { month: string; net: number }[] => {
  const nets = new Map(months.map((one) => [one.month, one.gross_minor - one.refunds_minor]));
  const [first, last] = [months[0]?.month, months.at(-1)?.month];
  const all: { month: string; net: number }[] = [];
  for (let month = first; month !== undefined && last !== undefined && month <= last; month = monthAfter(month))
    all.push({ month, net: nets.get(month) ?? 0 });
  return all;
};

const monthAfter = (month: string): string => addDays(`${month}-01`, 31).slice(0, 7);

const Months = ({ customer: { months, currency } }: { customer: Customer }) => (
  <Panel
    title="Money by month"
    sheet={{
      filename: "customer-months",
      header: ["month", "orders", "gross", "refunds"],
      rows: () =>
        months.map((one) => [
          one.month,
          one.orders,
          plainMoney(one.gross_minor, currency),
          plainMoney(one.refunds_minor, currency),
        ]),
    }}
  >
    {months.length === 0 ? (
      <Empty title="No order yet." />
    ) : (
      <TimeSeries
        label="Net money by month"
        height={160}
        times={netByMonth(months).map(({ month }) => monthSeconds(month))}
        format={(value) => shortMoney(value, currency)}
        series={[{ name: "net", values: netByMonth(months).map(({ net }) => net), colour: "var(--one)" }]}
      />
    )}
  </Panel>
);

const History = ({ history }: { history: Timeline["history"] }) => (
  <Panel
    title="Scores over time"
    wide
    sheet={{
      filename: "customer-scores",
      header: ["as of", "segment", "recency", "frequency", "monetary", "churn probability"],
      rows: () =>
        history.map((one) => [one.as_of, one.segment, one.recency, one.frequency, one.monetary, one.churn_probability]),
    }}
  >
    {history.length === 0 ? (
      <Empty title="No run has scored this customer yet." />
    ) : (
      <>
        {history.length > 1 && (
          <TimeSeries
            label="Probability of leaving by run"
            height={140}
            times={history.map((one) => secondsOf(one.as_of.slice(0, 10)))}
            format={(value) => percent(value, 0)}
            series={[
              {
                name: "probability of leaving",
                values: history.map((one) => one.churn_probability ?? null),
                colour: "var(--one)",
              },
            ]}
          />
        )}
        <ScoreTable history={history} />
      </>
    )}
  </Panel>
);

const ScoreTable = ({ history }: { history: Timeline["history"] }) => (
  <table>
    <TableHead columns={["As of", "Segment", "R F M", { number: "Leaves with" }]} />
    <tbody>
      {history.toReversed().map((one) => (
        <tr key={one.as_of}>
          <td>{day(one.as_of.slice(0, 10))}</td>
          <td>{one.segment}</td>
          <td>{[one.recency, one.frequency, one.monetary].map((score) => score ?? "–").join(" ")}</td>
          <td class="number">{one.churn_probability === undefined ? "–" : percent(one.churn_probability)}</td>
        </tr>
      ))}
    </tbody>
  </table>
);

const kindWords = { order: "Order", refund: "Refund", visit: "Visit", post: "Post", support: "Support" } as const;

const supportNote = ({ contacts, last_at: lastAt }: NonNullable<Timeline["support"]>): string =>
  `${count(contacts)} ${contacts === 1 ? "contact" : "contacts"} with support${lastAt === undefined ? "" : `, the last on ${day(lastAt.slice(0, 10))}`}.`;

const Story = ({ timeline: { entries, support } }: { timeline: Timeline }) => (
  <Panel
    title="Timeline"
    wide
    note={support === undefined ? undefined : supportNote(support)}
    sheet={{
      filename: "customer-timeline",
      header: ["at", "kind", "title", "amount", "currency"],
      rows: () =>
        entries.map((one) => [
          one.at,
          one.kind,
          one.title,
          one.amount_minor === undefined || one.currency === undefined ? "" : major(one.amount_minor, one.currency),
          one.currency,
        ]),
    }}
  >
    {entries.length === 0 ? (
      <Empty title="Nothing is known of this customer's time here." />
    ) : (
      <ol class="timeline" tabIndex={0} aria-label="Timeline">
        {entries.map((entry, index) => (
          <li key={index} class={entry.kind}>
            <time dateTime={entry.at}>{instant(entry.at)}</time> <b>{kindWords[entry.kind]}</b> {entry.title}
            {entry.amount_minor !== undefined && entry.currency !== undefined && (
              <span class="amount">{money(entry.amount_minor, entry.currency)}</span>
            )}
            {entry.details !== undefined && entry.details.length > 0 && (
              <details>
                <summary>{count(entry.details.length)} more</summary>
                <ul>
                  {entry.details.map((detail, place) => (
                    <li key={place}>{detail}</li>
                  ))}
                </ul>
              </details>
            )}
          </li>
        ))}
      </ol>
    )}
  </Panel>
);
