/** Items of DynamoDB as rows of a plan, and the elements of one of their lists as rows of their own. */
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import type { ReadPlan, Row, SourceField, SourceType } from "../source-ports.ts";
import { type Item, attributeAt, cellOfAttribute } from "./dynamo-values.ts";

/** Fields of a plan that no item has: of a line the key of its item and its place in the list; of a row its deletion. */
export const PARENT = "^";
export const PLACE = "#";
export const DELETED = "^deleted";

export interface ItemsOptions {
  /** By path; of lines `list.path`. Text where absent. */
  readonly types: Readonly<Record<string, SourceType>>;
  /** Items where one of these paths has another value belong to something else. */
  readonly where: Readonly<Record<string, string>>;
  /** Path of the list whose elements are lines. */
  readonly list?: string | undefined;
}

const partsOf = (path: string): readonly string[] => path.split(".");

/** Whether a plan is of lines. */
const isOfLines = (plan: ReadPlan): boolean => plan.fields.includes(PARENT);

interface CellPlan {
  readonly name: string;
  readonly path: readonly string[];
  readonly type: SourceType;
}

export class ItemRows {
  readonly #options: ItemsOptions;
  readonly #cells = new WeakMap<ReadPlan, readonly CellPlan[]>();
  readonly #where: readonly (readonly [readonly string[], string])[];
  /** Lists of the items of this page, by the key of their item. */
  #lists = new Map<string, readonly AttributeValue[]>();

  constructor(options: ItemsOptions) {
    this.#options = options;
    this.#where = Object.entries(options.where).map(([path, value]) => [partsOf(path), value]);
  }

  fieldsOf(plan: ReadPlan): readonly SourceField[] {
    const inList = isOfLines(plan);
    return plan.fields.map((name) => {
      const lake = name === PLACE ? "int" : name === DELETED ? "boolean" : this.#typeOf(name, inList);
      return { name, type: lake, lake };
    });
  }

  #typeOf(name: string, inList: boolean): SourceType {
    if (name === PARENT) return "string";
    return this.#options.types[inList ? `${this.#options.list}.${name}` : name] ?? "string";
  }

  /** Paths that an item needs to have for its rows, none of them within another. */
  pathsOf(plan: ReadPlan): readonly string[] {
    const { where, list } = this.#options;
    const wanted = new Set([...plan.fields, ...Object.keys(where), ...(list === undefined ? [] : [list])]);
    wanted.delete(DELETED);
    return [...wanted].filter((path) => ![...wanted].some((other) => path.startsWith(`${other}.`)));
  }

  /** A page begins: what the last one left is forgotten. */
  clear(): void {
    this.#lists = new Map();
  }

  /**
   * Rows of items in the plan's fields; items without the declared key, or beside `where`, are none.
   * @param deleted items that are no more
   */
  rows(plan: ReadPlan, items: readonly Item[], deleted: ReadonlySet<Item> = new Set()): Row[] {
    const cells = this.#cellsOf(plan);
    const keys = plan.key.map((field) => plan.fields.indexOf(field));
    const list = this.#options.list === undefined ? undefined : partsOf(this.#options.list);
    const rows: Row[] = [];
    for (const item of items) {
      if (this.#where.some(([path, value]) => cellOfAttribute(attributeAt(item, path), "string") !== value)) continue;
      const row = cells.map(({ name, path, type }) =>
        name === DELETED ? String(deleted.has(item)) : cellOfAttribute(attributeAt(item, path), type),
      );
      if (keys.some((at) => row[at] === null)) continue;
      rows.push(row);
      if (list !== undefined) this.#lists.set(row[keys[0]!]!, attributeAt(item, list)?.L ?? []);
    }
    return rows;
  }

  /** Lines of the page's items with these keys, in the order of their lists. */
  lines(plan: ReadPlan, keys: readonly string[]): Row[] {
    const cells = this.#cellsOf(plan);
    return keys.flatMap((key) =>
      (this.#lists.get(key) ?? []).map((element, place) =>
        cells.map(({ name, path, type }) => {
          if (name === PARENT) return key;
          if (name === PLACE) return String(place + 1);
          return cellOfAttribute(attributeAt(element.M, path), type);
        }),
      ),
    );
  }

  #cellsOf(plan: ReadPlan): readonly CellPlan[] {
    let cells = this.#cells.get(plan);
    if (cells === undefined) {
      cells = this.fieldsOf(plan).map(({ name, lake }) => ({ name, path: partsOf(name), type: lake }));
      this.#cells.set(plan, cells);
    }
    return cells;
  }
}
