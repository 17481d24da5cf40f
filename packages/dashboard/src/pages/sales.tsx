import { useMemo } from "preact/hooks";
import type { Products, Sales, SalesRow } from "../answers.ts";
import { Bars } from "../charts/bars.tsx";
import { TimeSeries } from "../charts/time-series.tsx";
import { count, day, decimal, money, plainMoney, shortMoney } from "../format.ts";
import { Fresh, NoRun } from "../parts/no-run.tsx";
import { Panel } from "../parts/panel.tsx";
import { PeriodFilter } from "../parts/period-filter.tsx";
import { Answered } from "../parts/state.tsx";
import { Tile, Tiles } from "../parts/tiles.tsx";
import { type Period, addDays, daysIn, periodBefore, periodOf, secondsOf } from "../period.ts";
import { type Route, changeView, linkTo } from "../route.ts";
import { useAnswer } from "../use-answer.ts";

type Interval = "day" | "week" | "month";
const intervals: readonly Interval[] = ["day", "week", "month"];
const TOP = 15;
/** Periods before the chosen one without which nothing rises or falls: the API's own rule. */
const PAST = 3;

interface View {
  readonly interval: Interval;
  readonly country: string | undefined;
  readonly period: Period;
  readonly whole: Period;
  readonly currency: string;
}

export const SalesPage = ({ route: { search } }: { route: Route }) => {
  const interval = intervals.find((one) => one === search.get("interval")) ?? "month";
  const country = search.get("country") ?? undefined;
  const days = useAnswer<Sales>("/v1/sales", { interval: "day", country });
  return (
    <>
      <h1>Sales{country !== undefined && `, ${country}`}</h1>
      <Answered answer={days}>
        {(data) => {
          const first = data.rows[0]?.period;
          const last = data.rows.at(-1)?.period;
          if (first === undefined || last === undefined) return <NoRun />;
          const whole = { from: first, to: addDays(last, 1) };
          const period = { from: search.get("from") ?? whole.from, to: search.get("to") ?? whole.to };
          const view = { interval, country, period, whole, currency: data.currency };
          return (
            <>
              <Fresh asOf={data.as_of} />
              <Controls {...view} />
              <Totals {...view} />
              <div class="panels">
                <OverTime {...view} />
                <Countries {...view} />
                <ProductsPanel title="Bestsellers" sort="net" {...view} />
                <ProductsPanel
                  title="Rising"
                  sort="rising"
                  note="By how far the period, or the last four weeks, lies above the product's own past, in robust standard deviations."
                  {...view}
                />
                <ProductsPanel title="Falling" sort="falling" {...view} />
              </div>
            </>
          );
        }}
      </Answered>
    </>
  );
};

const Controls = ({ interval, country, period, whole }: View) => (
  <div class="filters">
    <PeriodFilter period={period} whole={whole} />
    <div class="choice" role="group" aria-label="Interval">
      {intervals.map((one) => (
        <button key={one} type="button" aria-pressed={one === interval} onClick={() => changeView({ interval: one })}>
          {one}
        </button>
      ))}
    </div>
    {country !== undefined && (
      <button type="button" onClick={() => changeView({ country: undefined })}>
        All countries
      </button>
    )}
  </div>
);

const nothing: Omit<SalesRow, "period"> = {
  orders: 0,
  units: 0,
  gross_minor: 0,
  refunds_minor: 0,
  net_minor: 0,
  active_customers: 0,
  new_customers: 0,
  returning_customers: 0,
};

const Totals = ({ country, period, currency }: View) => {
  const now = useAnswer<Sales>("/v1/sales", { interval: "total", country, ...period });
  const before = useAnswer<Sales>("/v1/sales", { interval: "total", country, ...periodBefore(period) });
  return (
    <Answered answer={now}>
      {({ rows: [total = nothing] }) => {
        const past = before.data?.rows[0];
        return (
          <Tiles>
            <Tile
              name="Revenue"
              value={money(total.net_minor, currency)}
              now={total.net_minor}
              before={past?.net_minor}
            />
            <Tile name="Orders" value={count(total.orders)} now={total.orders} before={past?.orders} />
            <Tile
              name="Average order"
              value={money(total.average_order_minor ?? 0, currency)}
              now={total.average_order_minor}
              before={past?.average_order_minor}
            />
            <Tile
              name="Active customers"
              value={count(total.active_customers)}
              now={total.active_customers}
              before={past?.active_customers}
              note={`${count(total.new_customers)} of them new`}
            />
            <Tile
              name="Given back"
              value={money(total.refunds_minor, currency)}
              now={total.refunds_minor}
              before={past?.refunds_minor}
            />
          </Tiles>
        );
      }}
    </Answered>
  );
};

const salesHeader = [
  "period",
  "revenue",
  "orders",
  "average order",
  "units",
  "refunds",
  "active customers",
  "new customers",
  "returning customers",
];
const salesCells = (row: SalesRow, currency: string) => [
  row.period,
  plainMoney(row.net_minor, currency),
  row.orders,
  row.average_order_minor === undefined ? undefined : plainMoney(row.average_order_minor, currency),
  row.units,
  plainMoney(row.refunds_minor, currency),
  row.active_customers,
  row.new_customers,
  row.returning_customers,
];

const OverTime = ({ interval, country, period, whole, currency }: View) => {
  const sales = useAnswer<Sales>("/v1/sales", { interval, country });
  const rows = sales.data?.rows;
  const chart = useMemo(() => {
    const all = rows ?? [];
    return {
      times: all.map((row) => secondsOf(row.period)),
      series: [{ name: "revenue", values: all.map((row) => row.net_minor), colour: "var(--one)" }],
      orders: [
        { name: "orders", values: all.map((row) => row.orders), colour: "var(--two)" },
        {
          name: "active customers",
          values: all.map((row) => row.active_customers),
          colour: "var(--good-line)",
          dashed: true,
        },
      ],
    };
  }, [rows]);
  const chosen = period.from === whole.from && period.to === whole.to ? undefined : period;
  const shaded = chosen === undefined ? undefined : ([secondsOf(chosen.from), secondsOf(chosen.to)] as const);
  const choose = (dragged: readonly [number, number] | undefined): void =>
    changeView(dragged === undefined ? { from: undefined, to: undefined } : { ...periodOf(dragged) });
  return (
    <Panel
      title={`Revenue by ${interval}`}
      wide
      note="Drag over the chart to choose a period for the whole page; double-click to let it go."
      sheet={{
        filename: `sales-by-${interval}${country === undefined ? "" : `-${country}`}`,
        header: salesHeader,
        rows: () => (rows ?? []).map((row) => salesCells(row, currency)),
      }}
    >
      <Answered answer={sales}>
        {() => (
          <>
            <TimeSeries
              label={`Revenue by ${interval}; the table has the figures`}
              times={chart.times}
              series={chart.series}
              format={(value) => shortMoney(value, currency)}
              onPeriod={choose}
              period={shaded}
            />
            <TimeSeries
              label={`Orders and active customers by ${interval}; the table has the figures`}
              height={150}
              times={chart.times}
              series={chart.orders}
              format={count}
              onPeriod={choose}
              period={shaded}
            />
          </>
        )}
      </Answered>
    </Panel>
  );
};

const Countries = ({ country, period, currency }: View) => {
  const sales = useAnswer<Sales>("/v1/sales", { interval: "total", by: "country", ...period });
  const rows = (sales.data?.rows ?? []).toSorted((a, b) => b.net_minor - a.net_minor);
  return (
    <Panel
      title="Countries"
      sheet={{
        filename: "sales-by-country",
        header: ["country", ...salesHeader.slice(1)],
        rows: () => rows.map((row) => [row.group ?? "", ...salesCells(row, currency).slice(1)]),
      }}
    >
      <Answered answer={sales}>
        {() => (
          <Bars
            label="Revenue by country"
            bars={rows.slice(0, TOP).map((row) => ({
              name: row.group ?? "not given",
              value: row.net_minor,
              text: money(row.net_minor, currency),
              note: `${count(row.orders)} orders`,
              ...(row.group !== undefined &&
                row.group !== country && { href: linkTo("sales", { ...period, country: row.group }) }),
            }))}
          />
        )}
      </Answered>
    </Panel>
  );
};

const ProductsPanel = ({
  title,
  sort,
  note,
  country,
  period,
  currency,
  whole,
}: View & { title: string; sort: "net" | "rising" | "falling"; note?: string }) => {
  // All there is has no past to rise against: then the last weeks are looked at, which are the API's own choice.
  const unchosen = sort !== "net" && period.from === whole.from && period.to === whole.to;
  const products = useAnswer<Products>("/v1/products", { sort, country, limit: TOP, ...(unchosen ? {} : period) });
  const list = products.data?.products ?? [];
  return (
    <Panel
      title={title}
      note={note}
      sheet={{
        filename: title.toLowerCase(),
        header: ["product", "name", "category", "revenue", "units", "orders", "change"],
        rows: () =>
          list.map((one) => [
            one.product_id,
            one.name,
            one.category,
            plainMoney(one.net_minor, currency),
            one.units,
            one.orders,
            one.change,
          ]),
      }}
    >
      <Answered answer={products}>
        {() =>
          list.length === 0 ? (
            <p class="waiting">
              {sort !== "net" && !unchosen && addDays(period.from, -PAST * daysIn(period)) < whole.from
                ? `There is too little before ${day(period.from)} to compare with: ${PAST} periods of the same length. Choose a shorter one, or a later.`
                : `No product ${sort === "net" ? "was sold" : `is ${sort}`} ${
                    unchosen ? "in the last four weeks" : `from ${day(period.from)} to ${day(addDays(period.to, -1))}`
                  }.`}
            </p>
          ) : (
            <Bars
              label={title}
              bars={list.map((one) => ({
                name: one.name === "" ? one.product_id : one.name,
                value: sort === "net" ? one.net_minor : (one.change ?? 0),
                text: money(one.net_minor, currency),
                note:
                  sort === "net" || one.change === undefined
                    ? `${count(one.units)} units`
                    : `${one.change > 0 ? "+" : "−"}${decimal(Math.abs(one.change), 1)}`,
              }))}
            />
          )
        }
      </Answered>
    </Panel>
  );
};
