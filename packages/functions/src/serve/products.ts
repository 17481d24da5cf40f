/** Bestsellers of a period, and what rises or falls against its own past. */
import { dayOf } from "@ebb/lake/batch/literals";
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
import { checkPeriod, parametersOf, periodShape, text, wholeNumber } from "./marts/parameters.ts";
import { MOST_ROWS, MartMemory } from "./marts/mart-memory.ts";
import { type ProductColumns, productsInMemory } from "./marts/product-columns.ts";
import { bestsellersSql, changed, windowsSql } from "./marts/products.ts";
import { type WarmHandler, warmed } from "./marts/warm.ts";

export const productsShape = {
  sort: z.enum(["net", "units", "rising", "falling"]).default("net"),
  category: text(200).optional(),
  limit: wholeNumber(1, 500).default(50),
  ...periodShape,
};

const DAY_MS = 86_400_000;
/** The period of a change where none is given: the last days that were sold on. */
const DAYS = 28;

/** @param mostRows of a mart that is held in memory */
export const make = (ports: MartPorts, mostRows = MOST_ROWS): WarmHandler => {
  const memory = new MartMemory(productsInMemory, mostRows);
  const handler = martHandler(
    ports,
    async ({ event, state, queries }) => {
      const question = parametersOf(event, productsShape);
      checkPeriod(question);
      const { sort, limit } = question;
      const held = await memory.of({ state, queries });
      if (sort === "net" || sort === "units") {
        const asked = { ...question, order: sort };
        const rows = held?.bestsellers(asked) ?? (await rowsOf(queries, bestsellersSql(queries.dialect, asked)));
        return { products: rows.map((row) => answerOf(row, numberOf(row["net_minor"]))) };
      }
      const period = await wholePeriod(queries, question, held);
      if (period === undefined) return { products: [] };
      const asked = { ...question, ...period };
      const rows = held?.windows(asked) ?? (await rowsOf(queries, windowsSql(queries.dialect, asked)));
      return {
        products: changed(rows, sort, limit).map(({ row, netMinor, change }) => ({
          ...answerOf(row, netMinor),
          change: Number(change.toFixed(3)),
        })),
      };
    },
    (event) => {
      parametersOf(event, productsShape);
      return { products: [] };
    },
  );
  return warmed(handler, ports, memory);
};

/** Both ends of the period; without them the last days that the mart knows. */
const wholePeriod = async (
  queries: MartPorts["queries"],
  { from, to }: { from?: string | undefined; to?: string | undefined },
  held: ProductColumns | undefined,
): Promise<{ from: string; to: string } | undefined> => {
  if (from !== undefined && to !== undefined) return { from, to };
  const last = held === undefined ? await lastDay(queries) : held.lastDay;
  if (last === undefined) return undefined;
  const endMs = to === undefined ? Date.parse(last) + DAY_MS : Date.parse(to);
  const end = dayOf(endMs);
  return { from: from ?? dayOf(endMs - DAYS * DAY_MS), to: end };
};

const lastDay = async (queries: MartPorts["queries"]): Promise<string | undefined> => {
  const [row] = await rowsOf(queries, "SELECT max(day) AS last_day FROM product_sales_daily");
  const last = dayTextOf(row?.["last_day"]);
  return last === "" ? undefined : last;
};

const answerOf = (row: MartRow, netMinor: number) => ({
  product_id: textOf(row["product_id"]),
  name: textOf(row["name"]),
  ...(textOf(row["category"]) === "" ? {} : { category: textOf(row["category"]) }),
  orders: numberOf(row["lines"]),
  units: numberOf(row["units"]),
  net_minor: netMinor,
});

export const handler = onAws(make);
