/** Rows of an order file out of their bytes, and the orders that they make up. */
import type { OrderGroup } from "@ebb/core/files/file-orders";
import { layoutNamed } from "@ebb/core/files/layouts";
import type { OrderRow, RowContext, RowHead } from "@ebb/core/files/rows";
import { FieldReader, isRefusal, readOrderRow } from "@ebb/core/files/rows";
import type { Refusal } from "@ebb/core/reasons";
import type { FileShape } from "./file-shape.ts";
import type { RecordHash, RecordReader } from "./record-reader.ts";
import { keyColumnsOf, recordHash, recordReader } from "./record-reader.ts";
import type { Place } from "./spool.ts";

export interface PlacedGroup extends OrderGroup {
  /** Where the rows lie, parallel to `rows`. */
  readonly places: number[];
}

/** Rows by their places in a partition. */
export interface PlacedRows {
  readonly places: readonly number[];
  readonly at: (place: number) => Place;
}

export interface Grouped {
  readonly groups: readonly PlacedGroup[];
  readonly refused: readonly { readonly place: number; readonly refusal: Refusal }[];
}

export class OrderRows {
  /** Equal for the rows of one order. */
  readonly hashOf: RecordHash;
  readonly #record: RecordReader;
  readonly #fields: FieldReader;

  constructor(shape: FileShape, context: RowContext) {
    this.hashOf = recordHash(shape, keyColumnsOf(shape, layoutNamed(shape.layout)!));
    this.#record = recordReader(shape);
    this.#fields = new FieldReader(context);
  }

  read(bytes: Buffer, start: number, end: number): OrderRow | Refusal {
    const fields = this.#record(bytes, start, end);
    return isRefusal(fields) ? fields : readOrderRow(this.#fields, fields);
  }

  /** What tells orders apart within a source: an id may be used for two customers. */
  keyOf({ head }: OrderRow): string {
    return `${head.orderId}\u001f${head.customerKey}`;
  }

  /** `undefined` for a row that is refused. */
  orderOf(bytes: Buffer, start: number, end: number): string | undefined {
    const row = this.read(bytes, start, end);
    return isRefusal(row) ? undefined : this.keyOf(row);
  }

  /** The order of the first row that is not refused, if there is one. */
  firstOrderOf(rows: PlacedRows): RowHead | undefined {
    for (const place of rows.places) {
      const { bytes, start, end } = rows.at(place);
      const row = this.read(bytes, start, end);
      if (!isRefusal(row)) return row.head;
    }
    return undefined;
  }

  /** The orders that some rows make up: mostly one. */
  groupsOf(rows: PlacedRows): Grouped {
    const groups: PlacedGroup[] = [];
    const refused: { place: number; refusal: Refusal }[] = [];
    for (const place of rows.places) {
      const { bytes, start, end } = rows.at(place);
      const row = this.read(bytes, start, end);
      if (isRefusal(row)) {
        refused.push({ place, refusal: row });
        continue;
      }
      const { orderId, customerKey } = row.head;
      let group = groups.find((one) => one.orderId === orderId && one.customerKey === customerKey);
      if (group === undefined) {
        group = { orderId, customerKey, rows: [], places: [] };
        groups.push(group);
      }
      group.rows.push(row);
      group.places.push(place);
    }
    return { groups, refused };
  }
}
