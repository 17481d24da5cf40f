/** Sales by day and who bought, in memory: answers what `salesSql` answers, row by row the same. */
import type { Dialect } from "@ebb/lake/dialect";
import { type MartRow, numberOf, textOf } from "./mart-handler.ts";
import {
  type MartInMemory,
  UNIT_PARTS,
  addsExactly,
  byBytes,
  dayNumber,
  dayOfNumber,
  eachRow,
  indexOf,
} from "./mart-memory.ts";
import type { SalesQuestion } from "./sales-sql.ts";

/** In place of the day of a first order for a customer without one. */
const NEVER = 1_000_000;

/**
 * Rows by `part`: 0 how many there are (`number`); 1 countries, counted from 1; of a day, `number` days after 1970-01-01,
 * 2 its sums: country, orders, units in millionths, gross, refunds; 3 its visits: country, customer, whether with a counted
 * order, day of the customer's first counted order.
 */
const salesColumnsSql = (m: Dialect, mostRows: number): string => {
  const number = (day: string): string => m.daysBetween("DATE '1970-01-01'", day);
  return `
WITH size AS (
  SELECT (SELECT count(*) FROM sales_daily) + (SELECT count(*) FROM order_facts) AS size
),
sums AS (
  SELECT day, country, orders, units, gross_minor, refund_minor
  FROM sales_daily CROSS JOIN size
  WHERE size <= ${mostRows}
),
visits AS (
  SELECT
    ${number("occurred_at")} AS day_number, coalesce(country, '') AS country, customer_key,
    max(CASE WHEN counts THEN 1 ELSE 0 END) AS counted
  FROM order_facts CROSS JOIN size
  WHERE size <= ${mostRows} AND customer_key IS NOT NULL
  GROUP BY ${number("occurred_at")}, coalesce(country, ''), customer_key
),
countries AS (
  SELECT country, row_number() OVER (ORDER BY country) AS country_number
  FROM (SELECT country FROM sums UNION SELECT country FROM visits) AS named
),
customers AS (
  SELECT
    v.customer_key, row_number() OVER (ORDER BY v.customer_key) AS customer_number,
    coalesce(${number("b.first_order_at")}, ${NEVER}) AS first_day
  FROM (SELECT DISTINCT customer_key FROM visits) AS v
  LEFT JOIN rfm_base AS b ON b.customer_key = v.customer_key
),
sum_days AS (
  SELECT
    ${number("s.day")} AS day_number,
    ${m.numbersText(["country_number", "orders", `CAST(units * ${UNIT_PARTS} AS bigint)`, "gross_minor", "refund_minor"])} AS numbers
  FROM sums AS s
  JOIN countries AS c ON c.country = s.country
  GROUP BY ${number("s.day")}
),
visit_days AS (
  SELECT day_number, ${m.numbersText(["country_number", "customer_number", "counted", "first_day"])} AS numbers
  FROM visits AS v
  JOIN countries AS c ON c.country = v.country
  JOIN customers AS p ON p.customer_key = v.customer_key
  GROUP BY day_number
)
SELECT 0 AS part, size AS number, '' AS text FROM size
UNION ALL SELECT 1, country_number, country FROM countries
UNION ALL SELECT 2, day_number, numbers FROM sum_days
UNION ALL SELECT 3, day_number, numbers FROM visit_days
ORDER BY 1, 2`;
};

interface Sums {
  orders: number;
  unitParts: number;
  gross: number;
  refund: number;
}
interface People {
  active: number;
  new: number;
  returning: number;
}

export class SalesColumns {
  readonly #countries: readonly string[];
  /** Both by day, an array a row of the SQL. */
  readonly #sums: Columns;
  readonly #visits: Columns;

  private constructor(countries: readonly string[], sums: Columns, visits: Columns) {
    this.#countries = countries;
    this.#sums = sums;
    this.#visits = visits;
  }

  static read(rows: readonly MartRow[], mostRows: number): SalesColumns | undefined {
    if (numberOf(rows[0]?.["number"]) > mostRows) return undefined;
    const part = (number: number) => rows.filter((row) => numberOf(row["part"]) === number);
    const sums = columnsOf(part(2), 5);
    const exact = sums.numbers
      .slice(1)
      .every((column) => addsExactly(column.reduce((sum, one) => sum + Math.abs(one), 0)));
    if (!exact) return undefined;
    const countries = part(1).map((row) => textOf(row["text"]));
    return new SalesColumns(countries, sums, columnsOf(part(3), 4));
  }

  sales(question: SalesQuestion): MartRow[] {
    const only = question.country === undefined ? undefined : this.#countries.indexOf(question.country) + 1;
    const people = this.#people(question, only);
    const [country, orders, unitParts, gross, refund] = this.#sums.numbers;
    const found = new Map<number, Sums>();
    within(this.#sums, question, (row, period) => {
      if (only !== undefined && country![row] !== only) return;
      const group = groupOf(period, question.by === undefined ? 0 : country![row]!);
      const sums = found.get(group) ?? { orders: 0, unitParts: 0, gross: 0, refund: 0 };
      found.set(group, sums);
      sums.orders += orders![row]!;
      sums.unitParts += unitParts![row]!;
      sums.gross += gross![row]!;
      sums.refund += refund![row]!;
    });
    return Array.from(found, ([group, sums]) => {
      const those = people.get(group);
      return {
        period: dayOfNumber(Math.floor(group / COUNTRIES)),
        grouped: this.#countries[group - Math.floor(group / COUNTRIES) * COUNTRIES - 1] ?? "",
        orders: sums.orders,
        units: sums.unitParts / UNIT_PARTS,
        gross_minor: sums.gross,
        refund_minor: sums.refund,
        net_minor: sums.gross - sums.refund,
        active_customers: those?.active ?? 0,
        new_customers: those?.new ?? 0,
        returning_customers: those?.returning ?? 0,
      };
    }).sort((a, b) => (a.period < b.period ? -1 : a.period > b.period ? 1 : byBytes(a.grouped, b.grouped)));
  }

  /** Everybody once a period and, where asked by country, country. */
  #people(question: SalesQuestion, only: number | undefined): Map<number, People> {
    const { by, interval, from } = question;
    const [country, customer, counted, firstDay] = this.#visits.numbers;
    const fromDay = from === undefined ? -Infinity : dayNumber(from);
    const found = new Map<number, People>();
    const seen = new Map<number, { readonly active: Set<number>; readonly bought: Set<number> }>();
    within(this.#visits, question, (row, period) => {
      if (only !== undefined && country![row] !== only) return;
      const group = groupOf(period, by === undefined ? 0 : country![row]!);
      let people = found.get(group);
      if (people === undefined) {
        found.set(group, (people = { active: 0, new: 0, returning: 0 }));
        seen.set(group, { active: new Set(), bought: new Set() });
      }
      const { active, bought } = seen.get(group)!;
      if (!active.has(customer![row]!)) {
        active.add(customer![row]!);
        people.active++;
      }
      if (counted![row] === 0 || bought.has(customer![row]!)) return;
      bought.add(customer![row]!);
      const first = firstDay![row]!;
      if (interval === "total" && from === undefined) people.new++;
      else if (first === NEVER) return;
      else if (interval === "total" ? first >= fromDay : periodOf(first, interval) === period) people.new++;
      else people.returning++;
    });
    return found;
  }
}

/** Numbers of `numbersText` as columns, with the day of each row. */
interface Columns {
  readonly days: Int32Array;
  readonly numbers: readonly Float64Array[];
}

const columnsOf = (rows: readonly MartRow[], width: number): Columns => {
  const days: number[] = [];
  const numbers = Array.from({ length: width }, (): number[] => []);
  for (const row of rows)
    eachRow(textOf(row["text"]), width, (values) => {
      days.push(numberOf(row["number"]));
      for (let column = 0; column < width; column++) numbers[column]!.push(values[column]!);
    });
  return { days: Int32Array.from(days), numbers: numbers.map((column) => Float64Array.from(column)) };
};

/** Hands over every row of the asked days with the period that it falls into, the first day of that. */
const within = (
  { days }: Columns,
  { interval, from, to }: SalesQuestion,
  take: (row: number, period: number) => void,
): void => {
  const first = from === undefined ? 0 : indexOf(days, dayNumber(from));
  const end = to === undefined ? days.length : indexOf(days, dayNumber(to));
  const whole = from === undefined ? 0 : dayNumber(from);
  for (let row = first, day = NaN, period = whole; row < end; row++) {
    if (interval !== "total" && days[row] !== day) {
      day = days[row]!;
      period = periodOf(day, interval);
    }
    take(row, period);
  }
};

/** First day of the period of a day; weeks begin on Monday, and 1970-01-01 was a Thursday. */
const periodOf = (day: number, interval: "day" | "week" | "month" | "total"): number => {
  if (interval === "week") return day - ((((day + 3) % 7) + 7) % 7);
  return interval === "month" ? dayNumber(`${dayOfNumber(day).slice(0, 7)}-01`) : day;
};

/** Period and country as one number. */
const COUNTRIES = 2 ** 20;
const groupOf = (period: number, country: number): number => period * COUNTRIES + country;

export const salesInMemory: MartInMemory<SalesColumns> = {
  sql: salesColumnsSql,
  read: (rows, mostRows) => SalesColumns.read(rows, mostRows),
};
