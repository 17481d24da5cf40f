/** Whether two engines gave the same rows, in whatever order. */
import type { Plain, Rows, Shape } from "./engine.ts";

/** Doubles that are sums of the same numbers in another order differ by less. */
const RELATIVE = 1e-9;

const shown = (value: Plain): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === "bigint" ? String(part) : part));

const shapeText = (shape: Shape): string => {
  if (typeof shape === "string") return shape;
  if ("list" in shape) return `list of ${shapeText(shape.list)}`;
  return `(${shape.struct.map((field) => `${field.name} ${shapeText(field.shape)}`).join(", ")})`;
};

const sameNumber = (a: number, b: number): boolean =>
  Object.is(a, b) || a === b || Math.abs(a - b) <= RELATIVE * Math.max(Math.abs(a), Math.abs(b));

/** Exact, but for doubles. */
export const samePlain = (a: Plain, b: Plain): boolean => {
  if (typeof a === "number" && typeof b === "number") return sameNumber(a, b);
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return a === b;
  const [left, right] = [Object.entries(a), Object.entries(b)];
  return (
    left.length === right.length &&
    left.every(([name, value], at) => right[at]![0] === name && samePlain(value, right[at]![1]))
  );
};

export interface Side {
  readonly title: string;
  readonly rows: Rows;
}

const columnsText = ({ columns }: Rows): string =>
  columns.map(({ name, shape }) => `${name.toLowerCase()} ${shapeText(shape)}`).join(", ");

/** Text to sort by; doubles take no part, since they may differ a little. */
const sortText = (row: readonly Plain[], by: readonly number[]): string =>
  by.map((at) => shown(row[at]!)).join("\u0001");

/**
 * What the first difference is, or undefined. Rows are matched by the columns of `key`, which must be unique, or, without
 * one, by all columns but doubles.
 *
 * @throws Error when the key names no column or two rows share it
 */
export const differenceOf = (query: string, a: Side, b: Side, key?: readonly string[]): string | undefined => {
  const [left, right] = [columnsText(a.rows), columnsText(b.rows)];
  if (left !== right) return `${query}: columns differ.\n${a.title}: ${left}\n${b.title}: ${right}`;

  const { columns } = a.rows;
  const by =
    key?.map((name) => {
      const at = columns.findIndex((column) => column.name.toLowerCase() === name);
      if (at === -1) throw new Error(`${query}: the key names no column: ${name}`);
      return at;
    }) ?? columns.flatMap(({ shape }, at) => (shape === "double" ? [] : [at]));
  const sorted = ({ title, rows: { rows } }: Side): { sort: string; row: readonly Plain[] }[] => {
    const result = rows
      .map((row) => ({ sort: sortText(row, by), row }))
      .sort((x, y) => (x.sort < y.sort ? -1 : x.sort > y.sort ? 1 : 0));
    const twice =
      key === undefined ? undefined : result.find(({ sort }, at) => at > 0 && result[at - 1]!.sort === sort);
    if (twice !== undefined) throw new Error(`${query} on ${title}: two rows with the key ${twice.sort}`);
    return result;
  };
  const [leftRows, rightRows] = [sorted(a), sorted(b)];
  // Rows that only doubles tell apart are matched by those.
  if (key === undefined)
    for (const rows of [leftRows, rightRows])
      rows.sort((x, y) => (x.sort < y.sort ? -1 : x.sort > y.sort ? 1 : compareDoubles(x.row, y.row)));

  for (let at = 0; at < Math.max(leftRows.length, rightRows.length); at++) {
    const [x, y] = [leftRows[at], rightRows[at]];
    if (x === undefined || y === undefined || x.sort !== y.sort) {
      const [only, other, row] =
        y === undefined || (x !== undefined && x.sort < y.sort) ? [a, b, x!.row] : [b, a, y.row];
      return (
        `${query}: ${a.rows.rows.length} rows on ${a.title}, ${b.rows.rows.length} on ${b.title}.\n` +
        `${only.title} alone has ${rowText(columns, row)}` +
        nearest(columns, row, other, by)
      );
    }
    const column = columns.findIndex((_, index) => !samePlain(x.row[index]!, y.row[index]!));
    if (column !== -1)
      return (
        `${query}: ${columns[column]!.name} differs in the row ${rowText(columns, x.row, by)}\n` +
        `${a.title}: ${shown(x.row[column]!)}\n${b.title}: ${shown(y.row[column]!)}`
      );
  }
  return undefined;
};

const compareDoubles = (x: readonly Plain[], y: readonly Plain[]): number => {
  for (const [at, value] of x.entries())
    if (typeof value === "number" && typeof y[at] === "number" && !sameNumber(value, y[at])) return value - y[at];
  return 0;
};

const rowText = (columns: Rows["columns"], row: readonly Plain[], of: readonly number[] = [...row.keys()]): string =>
  of.map((at) => `${columns[at]!.name} ${shown(row[at]!)}`).join(", ");

/** Which column keeps the most similar row of the other side from being the same. */
const nearest = (columns: Rows["columns"], row: readonly Plain[], other: Side, by: readonly number[]): string => {
  let best: { differing: number[]; row: readonly Plain[] } | undefined;
  for (const candidate of other.rows.rows) {
    const differing = by.filter((at) => !samePlain(row[at]!, candidate[at]!));
    if (best === undefined || differing.length < best.differing.length) best = { differing, row: candidate };
  }
  return best === undefined || best.differing.length === by.length
    ? ""
    : `\nthe nearest row of ${other.title} has ${rowText(columns, best.row, best.differing)}`;
};
