/** `product_sales_daily` in memory: answers what `bestsellersSql` and `windowsSql` answer, row by row the same. */
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
import { CANDIDATES, LEAST_WINDOWS, type ProductsQuestion, WINDOWS } from "./products.ts";

/**
 * Rows by `part`: 0 how many there are (`number`); 1 products as they were named, counted from 1; 2 countries; 3 the
 * sales of a day, `number` days after 1970-01-01: product, country, lines, units in millionths, net.
 */
const productColumnsSql = (m: Dialect, mostRows: number): string => `
WITH size AS (SELECT count(*) AS size FROM product_sales_daily),
small AS (
  SELECT day, product_id, name, category, country, lines, units, net_minor
  FROM product_sales_daily CROSS JOIN size
  WHERE size <= ${mostRows}
),
products AS (
  SELECT product_id, name, category, row_number() OVER (ORDER BY product_id, name, category) AS product_number
  FROM (SELECT DISTINCT product_id, name, category FROM small) AS named
),
countries AS (
  SELECT country, row_number() OVER (ORDER BY country) AS country_number
  FROM (SELECT DISTINCT country FROM small) AS named
),
days AS (
  SELECT
    ${m.daysBetween("DATE '1970-01-01'", "s.day")} AS day_number,
    ${m.numbersText(["product_number", "country_number", "lines", `CAST(units * ${UNIT_PARTS} AS bigint)`, "net_minor"])} AS sales
  FROM small AS s
  JOIN products AS p ON p.product_id = s.product_id AND p.name = s.name AND p.category = s.category
  JOIN countries AS c ON c.country = s.country
  GROUP BY ${m.daysBetween("DATE '1970-01-01'", "s.day")}
)
SELECT 0 AS part, size AS number, '' AS text, '' AS name, '' AS category FROM size
UNION ALL SELECT 1, product_number, product_id, name, category FROM products
UNION ALL SELECT 2, country_number, country, '', '' FROM countries
UNION ALL SELECT 3, day_number, sales, '', '' FROM days
ORDER BY 1, 2`;

type WindowsQuestion = ProductsQuestion & { readonly from: string; readonly to: string };

interface Product {
  readonly id: string;
  readonly name: string;
  readonly category: string;
}

/** What a product is called where it goes by several ids, names or categories. */
interface Described {
  readonly product_id: string;
  readonly name: string;
  readonly category: string;
}

interface Found {
  /** Indices of products that are one to the reader. */
  readonly products: readonly number[];
  /** The oldest window with a row. */
  readonly windows: number;
}

/** Sums of a product under one name and category, by window. */
interface Sums {
  readonly lines: Float64Array;
  readonly unitParts: Float64Array;
  readonly nets: Float64Array;
  /** Whether there is any row, which a sum of 0 does not tell. */
  readonly seen: Uint8Array;
}

export class ProductColumns {
  readonly #products: readonly Product[];
  readonly #countries: ReadonlyMap<string, number>;
  /** Indices of `#products` that are one product to the reader: one name, or one id where there is no name. */
  readonly #sameName: readonly (readonly number[])[];
  /** A row an index, by day. */
  readonly #days: Int32Array;
  readonly #product: Int32Array;
  readonly #country: Int32Array;
  readonly #lines: Float64Array;
  readonly #unitParts: Float64Array;
  readonly #nets: Float64Array;

  private constructor(products: readonly Product[], countries: readonly string[], rows: Rows) {
    this.#products = products;
    this.#countries = new Map(countries.map((country, index) => [country, index]));
    const identity = ({ id, name }: Product): string => (name === "" ? id : name);
    this.#sameName = [...Map.groupBy(products.keys(), (index) => identity(products[index]!)).values()];
    this.#days = Int32Array.from(rows.days);
    this.#product = Int32Array.from(rows.product);
    this.#country = Int32Array.from(rows.country);
    this.#lines = Float64Array.from(rows.lines);
    this.#unitParts = Float64Array.from(rows.unitParts);
    this.#nets = Float64Array.from(rows.nets);
  }

  static read(rows: readonly MartRow[], mostRows: number): ProductColumns | undefined {
    if (numberOf(rows[0]?.["number"]) > mostRows) return undefined;
    const part = (number: number) => rows.filter((row) => numberOf(row["part"]) === number);
    const products = part(1).map((row) => ({
      id: textOf(row["text"]),
      name: textOf(row["name"]),
      category: textOf(row["category"]),
    }));
    const countries = part(2).map((row) => textOf(row["text"]));
    const read: Rows = { days: [], product: [], country: [], lines: [], unitParts: [], nets: [] };
    let [unitParts, nets] = [0, 0];
    for (const row of part(3)) {
      const day = numberOf(row["number"]);
      eachRow(textOf(row["text"]), 5, (numbers) => {
        read.days.push(day);
        read.product.push(numbers[0]! - 1);
        read.country.push(numbers[1]! - 1);
        read.lines.push(numbers[2]!);
        read.unitParts.push(numbers[3]!);
        read.nets.push(numbers[4]!);
        unitParts += Math.abs(numbers[3]!);
        nets += Math.abs(numbers[4]!);
      });
    }
    return addsExactly(unitParts) && addsExactly(nets) ? new ProductColumns(products, countries, read) : undefined;
  }

  /** The last day with a sale. */
  get lastDay(): string | undefined {
    const last = this.#days.at(-1);
    return last === undefined ? undefined : dayOfNumber(last);
  }

  bestsellers(question: ProductsQuestion & { readonly order: "net" | "units"; readonly limit: number }): MartRow[] {
    const sums = this.#sums(question, () => 0, 1);
    const by = question.order === "net" ? sums.nets : sums.unitParts;
    return this.#largest(
      this.#found(sums, 1, question.category).map((found) => ({ ...found, size: total(by, found.products) })),
      question.limit,
    ).map(({ products, described }) => ({
      ...described,
      lines: total(sums.lines, products),
      units: total(sums.unitParts, products) / UNIT_PARTS,
      net_minor: total(sums.nets, products),
    }));
  }

  windows(question: WindowsQuestion): readonly MartRow[] {
    const asked = JSON.stringify([question.from, question.to, question.country, question.category]);
    if (this.#windows?.asked !== asked) this.#windows = { asked, rows: this.#summedWindows(question) };
    return this.#windows.rows;
  }

  /** The last that were asked for: what rises and what falls stands in the same rows. */
  #windows: { readonly asked: string; readonly rows: readonly MartRow[] } | undefined;

  #summedWindows(question: WindowsQuestion): MartRow[] {
    const count = this.#products.length;
    const [from, to] = [dayNumber(question.from), dayNumber(question.to)];
    const days = to - from;
    const oldest = dayOfNumber(from - WINDOWS * days);
    const windowOf = (day: number): number => Math.floor((to - day - 1) / days);
    const sums = this.#sums({ ...question, from: oldest }, windowOf, WINDOWS + 1);
    const candidates = this.#found(sums, WINDOWS + 1, question.category)
      .filter(({ windows }) => windows >= LEAST_WINDOWS)
      .map(({ products, windows }) => {
        let past = 0;
        for (let back = 1; back <= WINDOWS; back++) past += total(sums.nets, products, back * count);
        return { products, windows, size: Math.abs(total(sums.nets, products) - past / windows) };
      });
    const names = Array.from({ length: WINDOWS + 1 }, (_, back) => `w${back}`);
    return this.#largest(candidates, CANDIDATES).map(({ products, described, windows }) => ({
      ...described,
      lines: total(sums.lines, products),
      units: total(sums.unitParts, products) / UNIT_PARTS,
      ...Object.fromEntries(names.map((name, back) => [name, total(sums.nets, products, back * count)])),
      windows,
    }));
  }

  /**
   * Sums by window and product: those of window w and product p stand at w × products + p; lines and units are those of
   * window 0 alone.
   */
  #sums({ from, to, country }: ProductsQuestion, windowOf: (day: number) => number, windows: number): Sums {
    const count = this.#products.length;
    const size = count * windows;
    const sums: Sums = {
      lines: new Float64Array(count),
      unitParts: new Float64Array(count),
      nets: new Float64Array(size),
      seen: new Uint8Array(size),
    };
    const only = country === undefined ? undefined : (this.#countries.get(country) ?? -1);
    const first = from === undefined ? 0 : indexOf(this.#days, dayNumber(from));
    const end = to === undefined ? this.#days.length : indexOf(this.#days, dayNumber(to));
    for (let row = first, day = NaN, offset = 0; row < end; row++) {
      if (only !== undefined && this.#country[row] !== only) continue;
      if (this.#days[row] !== day) {
        day = this.#days[row]!;
        offset = windowOf(day) * count;
      }
      const at = offset + this.#product[row]!;
      sums.nets[at]! += this.#nets[row]!;
      sums.seen[at] = 1;
      if (offset > 0) continue;
      sums.lines[at]! += this.#lines[row]!;
      sums.unitParts[at]! += this.#unitParts[row]!;
    }
    return sums;
  }

  /** What has any row: under which names and categories, and how far back. */
  #found({ seen }: Sums, windows: number, category: string | undefined): Found[] {
    const count = this.#products.length;
    const found: Found[] = [];
    for (const sameName of this.#sameName) {
      let oldest = -1;
      const products = sameName.filter((product) => {
        if (category !== undefined && this.#products[product]!.category !== category) return false;
        let last = windows - 1;
        while (last >= 0 && seen[last * count + product] === 0) last--;
        oldest = Math.max(oldest, last);
        return last >= 0;
      });
      if (products.length > 0) found.push({ products, windows: oldest });
    }
    return found;
  }

  /** The first of them by size; equal ones in the order of their ids and names. */
  #largest<One extends Found & { readonly size: number }>(
    all: readonly One[],
    limit: number,
  ): (One & { readonly described: Described })[] {
    const descriptions = new Map<One, Described>();
    const describe = (one: One): Described => {
      const known = descriptions.get(one) ?? this.#described(one.products);
      descriptions.set(one, known);
      return known;
    };
    const byDescription = (a: Described, b: Described): number =>
      byBytes(a.product_id, b.product_id) || byBytes(a.name, b.name);
    // Numbers alone are sorted in a tenth of the time: then few are left to be put in order.
    const least =
      Float64Array.from(all, ({ size }) => size)
        .sort()
        .at(-limit) ?? -Infinity;
    return all
      .filter(({ size }) => size >= least)
      .sort((a, b) => b.size - a.size || byDescription(describe(a), describe(b)))
      .slice(0, limit)
      .map((one) => ({ ...one, described: describe(one) }));
  }

  #described(indices: readonly number[]): Described {
    const products = indices.map((index) => this.#products[index]!);
    const sorted = (of: (product: Product) => string): string[] => products.map(of).sort(byBytes);
    return {
      product_id: sorted(({ id }) => id)[0]!,
      name: sorted(({ name }) => name).at(-1)!,
      category: sorted(({ category }) => category).at(-1)!,
    };
  }
}

type Rows = Record<"days" | "product" | "country" | "lines" | "unitParts" | "nets", number[]>;

const total = (sums: Float64Array, products: readonly number[], offset = 0): number => {
  let sum = 0;
  for (const product of products) sum += sums[offset + product]!;
  return sum;
};

export const productsInMemory: MartInMemory<ProductColumns> = {
  sql: productColumnsSql,
  read: (rows, mostRows) => ProductColumns.read(rows, mostRows),
};
