/** Sales by day, week, month or in all, and by country, category or product. */
import { z } from "zod";
import { onAws } from "../runtime/on-aws.ts";
import {
  type MartPorts,
  type MartRow,
  dayTextOf,
  martHandler,
  numberOf,
  rowsOf,
  textOf,
} from "./marts/mart-handler.ts";
import { checkPeriod, parametersOf, periodShape } from "./marts/parameters.ts";
import { MOST_ROWS, MartMemory } from "./marts/mart-memory.ts";
import { salesInMemory } from "./marts/sales-columns.ts";
import { lineSalesSql, salesSql } from "./marts/sales-sql.ts";
import { type WarmHandler, warmed } from "./marts/warm.ts";

export const salesShape = {
  interval: z.enum(["day", "week", "month", "total"]).default("day"),
  by: z.enum(["country", "category", "product"]).optional(),
  ...periodShape,
};

/** @param mostRows of a mart that is held in memory */
export const make = (ports: MartPorts, mostRows = MOST_ROWS): WarmHandler => {
  const memory = new MartMemory(salesInMemory, mostRows);
  const handler = martHandler(
    ports,
    async ({ event, state, queries }) => {
      const question = parametersOf(event, salesShape);
      checkPeriod(question);
      const { by, interval } = question;
      if (by === "category" || by === "product") {
        const rows = await rowsOf(queries, lineSalesSql(queries.dialect, { ...question, by }));
        return { interval, rows: rows.map((row) => lineAnswer(row)) };
      }
      const asked = { ...question, by };
      const held = await memory.of({ state, queries });
      const rows = held?.sales(asked) ?? (await rowsOf(queries, salesSql(queries.dialect, asked)));
      return { interval, rows: rows.map((row) => answerOf(row, by !== undefined)) };
    },
    (event) => ({ interval: parametersOf(event, salesShape).interval, rows: [] }),
  );
  return warmed(handler, ports, memory);
};

/** Net by counted order, to the minor unit; nothing where no order counts. */
const averageOf = (netMinor: number, orders: number) =>
  orders === 0 ? {} : { average_order_minor: Math.round(netMinor / orders) };

const answerOf = (row: MartRow, grouped: boolean) => ({
  period: dayTextOf(row["period"]),
  ...(grouped ? { group: textOf(row["grouped"]) } : {}),
  orders: numberOf(row["orders"]),
  units: numberOf(row["units"]),
  gross_minor: numberOf(row["gross_minor"]),
  refunds_minor: numberOf(row["refund_minor"]),
  net_minor: numberOf(row["net_minor"]),
  ...averageOf(numberOf(row["net_minor"]), numberOf(row["orders"])),
  active_customers: numberOf(row["active_customers"]),
  new_customers: numberOf(row["new_customers"]),
  returning_customers: numberOf(row["returning_customers"]),
});

const lineAnswer = (row: MartRow) => ({
  period: dayTextOf(row["period"]),
  group: textOf(row["grouped"]),
  lines: numberOf(row["lines"]),
  units: numberOf(row["units"]),
  net_minor: numberOf(row["net_minor"]),
});

export const handler = onAws(make);
