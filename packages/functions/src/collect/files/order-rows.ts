/** Rows of an order file out of their bytes, and the orders that they make up. */
import type { OrderGroup } from "@ebb/core/files/file-orders";
import { layoutNamed } from "@ebb/core/files/layouts";
import type { OrderRow, RowContext } from "@ebb/core/files/rows";
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

  /** @param gathered places of rows, those of one order in one list */
  groupsOf(gathered: readonly (readonly number[])[], placeAt: (place: number) => Place): Grouped {
    const all: PlacedGroup[] = [];
    const refused: { place: number; refusal: Refusal }[] = [];
    for (const places of gathered) {
      const groups: PlacedGroup[] = [];
      for (const place of places) {
        const { bytes, start, end } = placeAt(place);
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
      all.push(...groups);
    }
    return { groups: all, refused };
  }
}
