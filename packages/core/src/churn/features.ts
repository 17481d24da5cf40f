/** What a model reads of a customer: columns of numbers or of a few names, and what is declared about each. */

/** A category: `codes[row]` is an index into `levels`, −1 where it is missing. */
export interface CategoryColumn {
  readonly codes: Int32Array;
  readonly levels: readonly string[];
}

/** Numbers; a value that is not finite is missing. */
export type FeatureColumn = Float64Array | CategoryColumn;

interface DeclaredFeature {
  /** Name of the column in the features table: lower-case letters, digits, underscores. */
  readonly name: string;
  /** What a reader is shown; absent, the name. */
  readonly label?: string;
  /** Features that say the same thing belong to one driver: their contributions are added. */
  readonly group?: string;
}

export interface NumberFeature extends DeclaredFeature {
  readonly kind: "number";
  /** Absence says something by itself (no second order, so no gap): a column of its own, 1 where missing. */
  readonly indicator?: boolean;
  /**
   * Quantiles of the training rows at which values are cut off; absent, the lowest and highest half per cent. "none" for
   * what grows with the age of the data (recency, tenure): the training rows' limits would make later customers alike.
   */
  readonly winsor?: readonly [lower: number, upper: number] | "none";
  /** `log1p` for values ≥ 0 (below, they count as 0); `signed_log1p` is sign(x)·log(1 + |x|). */
  readonly log?: "log1p" | "signed_log1p";
}

export interface CategoryFeature extends DeclaredFeature {
  readonly kind: "category";
  /** Levels that get a column; the rest is "other". Absent, 8. */
  readonly maxLevels?: number;
}

export type Feature = NumberFeature | CategoryFeature;

export const rowsOf = (column: FeatureColumn): number =>
  column instanceof Float64Array ? column.length : column.codes.length;

/** Codes of names, levels in order of first appearance. */
export const categoryColumn = (values: readonly (string | null | undefined)[]): CategoryColumn => {
  const codeOf = new Map<string, number>();
  const codes = Int32Array.from(values, (value) => {
    if (value === null || value === undefined) return -1;
    const known = codeOf.get(value) ?? codeOf.size;
    codeOf.set(value, known);
    return known;
  });
  return { codes, levels: [...codeOf.keys()] };
};

/** The rows of several columns of one feature, one after the other. */
export const concatenated = (columns: readonly FeatureColumn[]): FeatureColumn => {
  const rows = columns.reduce((sum, column) => sum + rowsOf(column), 0);
  if (columns.every((column) => column instanceof Float64Array)) {
    const result = new Float64Array(rows);
    let start = 0;
    for (const column of columns) {
      result.set(column, start);
      start += column.length;
    }
    return result;
  }
  return categoryColumn(columns.flatMap(namesOf));
};

const namesOf = (column: FeatureColumn): (string | undefined)[] => {
  if (column instanceof Float64Array) throw new TypeError("a column of numbers among columns of names");
  return Array.from(column.codes, (code) => column.levels[code]);
};

/** Some rows of a column. */
export const picked = (column: FeatureColumn, rows: Int32Array): FeatureColumn =>
  column instanceof Float64Array
    ? Float64Array.from(rows, (row) => column[row]!)
    : { codes: Int32Array.from(rows, (row) => column.codes[row]!), levels: column.levels };

/** A customer's features by name; null, undefined or a number that is not finite: missing. */
export type FeatureRow = Readonly<Record<string, number | string | null | undefined>>;
