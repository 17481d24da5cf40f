/** Finds the layout of a file from its header, and says what was expected where there is none. */
import type { ColumnRole, Layout } from "./layouts.ts";
import { layoutNamed, layouts } from "./layouts.ts";

/** Where each column of a layout stands in a row. */
export type ColumnIndexes = Readonly<Partial<Record<ColumnRole, number>>>;

/** Header of each column, given by the client: role → header name. */
export type ColumnMapping = Readonly<Partial<Record<ColumnRole, string>>>;

export interface Recognised {
  readonly layout: Layout;
  readonly columns: ColumnIndexes;
}
export interface NotRecognised {
  readonly layout?: undefined;
  /** One sentence for a person: what was found and what was expected. */
  readonly message: string;
  readonly expected: readonly { readonly layout: string; readonly columns: readonly string[] }[];
}

const plain = (name: string): string => name.toLowerCase().replace(/[\s._-]+/g, "");

const columnsOf = (layout: Layout, header: readonly string[], mapping: ColumnMapping): ColumnIndexes => {
  const positions = new Map(header.map((name, index) => [plain(name), index]));
  const columns: Partial<Record<ColumnRole, number>> = {};
  for (const [role, names] of Object.entries(layout.columns)) {
    const given = mapping[role as ColumnRole];
    for (const name of given === undefined ? names : [given]) {
      const position = positions.get(plain(name));
      if (position === undefined) continue;
      columns[role as ColumnRole] = position;
      break;
    }
  }
  return columns;
};

/** Names of the columns that are missing, as a person would look for them. */
const missingOf = (layout: Layout, columns: ColumnIndexes, mapping: ColumnMapping): string[] =>
  layout.required.flatMap((role) => {
    const roles = typeof role === "string" ? [role] : role;
    if (roles.some((one) => columns[one] !== undefined)) return [];
    return [roles.map((one) => mapping[one] ?? layout.columns[one]?.[0] ?? one).join(" or ")];
  });

const expectedOf = (candidates: readonly Layout[]): NotRecognised["expected"] =>
  candidates.map((layout) => ({
    layout: layout.name,
    columns: layout.required.map((role) =>
      (typeof role === "string" ? [role] : role).map((one) => layout.columns[one]?.[0] ?? one).join(" or "),
    ),
  }));

/** A header as it may stand in a message: short, printable. It is the first line of what was sent, so no more of it. */
const shown = (header: readonly string[]): string =>
  header
    .slice(0, 20)
    .map((name) => name.replace(/[^\x20-\x7e\u00a0-\uffff]/g, "?").slice(0, 40))
    .join(", ");

/** @param wanted the layout's name where the client gave one */
export const recognise = (
  header: readonly string[],
  wanted: string | undefined,
  mapping: ColumnMapping = {},
): Recognised | NotRecognised => {
  const named = wanted === undefined ? undefined : layoutNamed(wanted);
  // A mapping speaks of the plain layouts unless another is named.
  const candidates =
    named !== undefined
      ? [named]
      : Object.keys(mapping).length > 0
        ? layouts.filter((layout) => layout.name === "order_lines" || layout.name === "orders")
        : layouts.filter((layout) => layout.headerless !== true);
  for (const layout of candidates) {
    const columns = columnsOf(layout, header, mapping);
    if (missingOf(layout, columns, mapping).length === 0) return { layout, columns };
  }
  const only = candidates.length === 1 ? candidates[0] : undefined;
  return {
    message:
      only === undefined
        ? `The header "${shown(header)}" is of no known layout. Send a file with one of the expected headers, or a mapping of its columns.`
        : `The header "${shown(header)}" lacks ${missingOf(only, columnsOf(only, header, mapping), mapping).join(", ")}, which the layout ${only.name} needs.`,
    expected: expectedOf(candidates),
  };
};

/** Columns of a file without a header. `undefined` where the layout has no fixed positions or the row another width. */
export const columnsByPosition = (layout: Layout, width: number): ColumnIndexes | undefined =>
  layout.positions === undefined || layout.positions.length !== width
    ? undefined
    : Object.fromEntries(layout.positions.map((role, index) => [role, index]));
