import { useEffect, useState } from "preact/hooks";
import type { CustomerList } from "../answers.ts";
import { ApiProblem, type Parameters, get } from "../api.ts";
import { count, day, money, percent } from "../format.ts";
import { linkTo } from "../route.ts";
import { Drivers } from "./drivers.tsx";
import { Answered, Empty } from "./state.tsx";
import { TableHead } from "./table-head.tsx";
import { useAnswer } from "../use-answer.ts";

type Row = CustomerList["customers"][number];

/** Customers of the last run, a page at a time, with the reasons of those at risk. */
export const CustomerTable = ({ parameters, label }: { parameters: Parameters; label: string }) => {
  const first = useAnswer<CustomerList>("/v1/customers", parameters);
  const [more, setMore] = useState<{ rows: readonly Row[]; cursor: string | undefined; problem?: string }>();
  useEffect(() => setMore(undefined), [first.data]);
  return (
    <Answered answer={first}>
      {(data) => {
        const rows = [...data.customers, ...(more?.rows ?? [])];
        const cursor = more === undefined ? data.cursor : more.cursor;
        const next = async (): Promise<void> => {
          try {
            const page = await get<CustomerList>("/v1/customers", { ...parameters, cursor });
            setMore({ rows: [...(more?.rows ?? []), ...page.customers], cursor: page.cursor });
          } catch (error) {
            const problem = error instanceof ApiProblem ? error.message : String(error);
            setMore({ rows: more?.rows ?? [], cursor, problem });
          }
        };
        if (rows.length === 0) return <Empty title="There is no such customer." />;
        return (
          <>
            <div class="scroll" tabIndex={0} role="region" aria-label={label}>
              <table class="customers">
                <TableHead
                  columns={[
                    "Customer",
                    "Segment",
                    "Last order",
                    { number: "Orders" },
                    { number: "Net" },
                    { number: "Leaves with" },
                    { number: "Expected loss" },
                    "Why",
                  ]}
                />
                <tbody>
                  {rows.map((row) => (
                    <CustomerRow key={row.customer_key} row={row} currency={data.currency} />
                  ))}
                </tbody>
              </table>
            </div>
            {more?.problem !== undefined && (
              <p class="problem" role="alert">
                {more.problem}
              </p>
            )}
            {cursor !== undefined && (
              <button type="button" onClick={() => void next()}>
                More
              </button>
            )}
          </>
        );
      }}
    </Answered>
  );
};

const CustomerRow = ({ row, currency }: { row: Row; currency: string }) => (
  <tr>
    <th scope="row">
      <a href={linkTo("customer", {}, row.customer_key)}>{row.customer_key.slice(0, 12)}…</a>
    </th>
    <td>{row.segment}</td>
    <td>{row.last_order_at === undefined ? "–" : day(row.last_order_at.slice(0, 10))}</td>
    <td class="number">{count(row.orders)}</td>
    <td class="number">{money(row.net_minor, currency)}</td>
    <td class="number">{row.churn_probability === undefined ? "–" : percent(row.churn_probability)}</td>
    <td class="number">{row.expected_loss_minor === undefined ? "–" : money(row.expected_loss_minor, currency)}</td>
    <td>{row.drivers === undefined ? "" : <Drivers drivers={row.drivers} />}</td>
  </tr>
);
