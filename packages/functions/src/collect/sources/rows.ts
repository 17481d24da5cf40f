/** One row of a source as the lake's table takes it: pseudonyms for customers, nothing personal, null for what no type holds. */
import type { Pseudonymizer } from "@ebb/core/ids";
import type { Cell, Row, SourceField, SourceTable, SourceType } from "@ebb/ports/source-ports";
import { type Mapping, holds, isOfType } from "./roles.ts";

export type CellOf = (row: Row) => Cell;

/** Reads a field out of a row by its name. */
export const cellReader = (read: readonly string[], field: string | undefined): CellOf => {
  if (field === undefined) return () => null;
  const index = read.indexOf(field);
  return (row) => row[index] ?? null;
};

const CHECKED = /^(?:timestamp|date|decimal)/;

/** Marks a row as deleted: a time or text that is there, a boolean that is true, a number other than 0. */
export const deletionReader = (
  fields: readonly SourceField[],
  read: readonly string[],
  field: string | undefined,
): CellOf => {
  if (field === undefined) return () => null;
  const cell = cellReader(read, field);
  const type = fields.find(({ name }) => name === field)!.lake;
  const isSet = (text: string): boolean => {
    if (type === "boolean") return text === "true";
    if (type === "int" || type === "bigint" || type.startsWith("decimal")) return Number(text) !== 0;
    return text !== "" && holds(type, text);
  };
  return (row) => {
    const text = cell(row);
    return text !== null && isSet(text) ? "true" : null;
  };
};

export class RowMaker {
  /** Values that became null, by field. */
  readonly nulled: Record<string, number> = {};
  readonly #cells: readonly {
    readonly at: number;
    readonly field: string;
    readonly isCustomer: boolean;
    readonly check: SourceType | undefined;
  }[];
  readonly #holds: (type: SourceType, text: string) => boolean;
  readonly #pseudonyms: Pseudonymizer;
  readonly #deleted: CellOf | undefined;

  constructor(table: SourceTable, mapping: Mapping, pseudonyms: Pseudonymizer, deleted: CellOf | undefined) {
    this.#pseudonyms = pseudonyms;
    this.#holds = mapping.untyped === true ? isOfType : holds;
    const isChecked = (type: SourceType): boolean =>
      mapping.untyped === true ? type !== "string" : CHECKED.test(type);
    this.#deleted = table.marksDeleted === true ? deleted : undefined;
    this.#cells = mapping.columns.map(({ field, isCustomer }, index) => {
      const { type } = table.columns[index]!;
      return {
        at: mapping.read.indexOf(field),
        field,
        isCustomer,
        check: !isCustomer && isChecked(type) ? type : undefined,
      };
    });
  }

  make(row: Row): Row {
    const made: Cell[] = [];
    for (const { at, field, isCustomer, check } of this.#cells) {
      let cell = row[at] ?? null;
      if (cell !== null)
        if (isCustomer) cell = cell === "" ? null : this.#pseudonyms.customer(cell);
        else if (check !== undefined && !this.#holds(check, cell)) {
          this.nulled[field] = (this.nulled[field] ?? 0) + 1;
          cell = null;
        }
      made.push(cell);
    }
    if (this.#deleted !== undefined) made.push(this.#deleted(row));
    return made;
  }
}
