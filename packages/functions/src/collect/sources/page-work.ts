/** What becomes of a page of rows: staged for the lake, orders and refunds onto the log, persons into the profile store. */
import type { Profile } from "@ebb/ports";
import type {
  LoadUnderWay,
  PageRows,
  Row,
  RowReader,
  SourceCommit,
  SourceField,
  SourceState,
  SourceTable,
} from "@ebb/ports/source-ports";
import { Begun } from "./begun.ts";
import type { SourcePorts } from "./load.ts";
import { OrderEvents, type OrderSaid, profileOf } from "./order-events.ts";
import { KnownNames } from "./known-names.ts";
import { tableOf } from "./roles.ts";
import { type CellOf, RowMaker, cellReader, deletionReader } from "./rows.ts";
import { type Shape, linesLinkOf } from "./shape.ts";
import { TextRows, canStayText } from "./text-rows.ts";
import { type SaidLine, lineSaying, orderSaying, refundSaying } from "./said.ts";

export interface PageDone {
  readonly rows: number;
  readonly last: Row | undefined;
  readonly events: number;
  readonly quarantined: number;
  readonly nulled: Readonly<Record<string, number>>;
}

/** A page that is being read: its text where that is all that is wanted of it. */
export type BegunPage = { readonly text: Begun<Buffer> } | { readonly rows: Begun<readonly Row[]> };

/** Told when a page is read, and before it is worked off and durable. */
export type OnRead = (last: Row | undefined, rows: number) => void;

/** Orders that are brought onto the log together. */
const ORDERS_AT_ONCE = 2_000;
const PROFILES_AT_ONCE = 2_000;

export class PageWork {
  readonly #ports: SourcePorts;
  readonly #shape: Shape;
  readonly #table: SourceTable;
  readonly #linesTable: SourceTable | undefined;
  readonly #deleted: CellOf;
  readonly #orders: OrderEvents;
  #known: KnownNames | undefined;

  constructor(
    ports: SourcePorts,
    shape: Shape,
    fields: readonly SourceField[],
    lineFields: readonly SourceField[],
    state: SourceState,
  ) {
    this.#ports = ports;
    this.#shape = shape;
    const { spec, mapping, linesMapping } = shape;
    const deletedField = typeof spec.deletion === "object" ? spec.deletion.field : undefined;
    this.#table = tableOf(`source_${spec.name}`, mapping, fields, deletedField !== undefined);
    this.#deleted = deletionReader(fields, mapping.read, deletedField);
    this.#linesTable =
      linesMapping === undefined ? undefined : tableOf(`source_${spec.name}_lines`, linesMapping, lineFields, false);
    this.#orders = new OrderEvents(ports, spec.source, `${spec.name}:${state.generation}`);
  }

  /** Has a page read from now on. */
  begin(rows: PageRows): BegunPage {
    return !this.speaks && rows.asText !== undefined && this.#staysText
      ? { text: new Begun(rows.asText()) }
      : { rows: new Begun(rows) };
  }

  /** @throws SourceProblem, TransientError */
  async take(underWay: LoadUnderWay, page: BegunPage, reader: RowReader, onRead: OnRead): Promise<PageDone> {
    if ("text" in page) return await this.#takeText(underWay, page.text, onRead);
    const { mapping, spec } = this.#shape;
    const { loadId, parts: part } = underWay;
    const speaks = this.speaks;
    const maker = new RowMaker(this.#table, mapping, this.#ports.pseudonyms, this.#deleted);
    const kept: Row[] = [];
    let last: Row | undefined;
    let read = 0;
    const allowed = await this.#allowed();
    const made = async function* (): AsyncIterable<readonly Row[]> {
      for await (const all of page.rows) {
        read += all.length;
        last = all.at(-1) ?? last;
        const block = allowed(all);
        if (speaks) for (const row of block) kept.push(row);
        yield block.map((row) => maker.make(row));
      }
      onRead(last, read);
    };
    await this.#ports.sourceTables.stage(loadId, this.#table, part, made());
    const lines = this.#linesTable === undefined ? undefined : await this.#lines(loadId, part, kept, reader, maker);
    let [events, quarantined] = [0, 0];
    if (spec.maps === "orders" || spec.maps === "returns") {
      const said = this.#saying(lines);
      for (let from = 0; from < kept.length; from += ORDERS_AT_ONCE) {
        const told = await this.#orders.tell(kept.slice(from, from + ORDERS_AT_ONCE).map(said));
        events += told.events;
        quarantined += told.quarantined;
      }
    }
    if (speaks) await this.#profiles(kept, underWay.startedAtMs);
    return { rows: read, last, events, quarantined, nulled: maker.nulled };
  }

  /** Whether others than the lake hear of the rows. */
  get speaks(): boolean {
    return ["orders", "returns", "profiles"].includes(this.#shape.spec.maps);
  }

  get #staysText(): boolean {
    return (
      this.#ports.sourceTables.stageText !== undefined &&
      this.#linesTable === undefined &&
      canStayText(this.#table, this.#shape.mapping)
    );
  }

  /** Rows that nobody but the lake hears of. */
  async #takeText({ loadId, parts }: LoadUnderWay, text: AsyncIterable<Buffer>, onRead: OnRead): Promise<PageDone> {
    const { pseudonyms, sourceTables, suppressions } = this.#ports;
    const list = await suppressions.current();
    const isErased = list.size === 0 ? undefined : (key: string): boolean => list.has(key);
    const rows = new TextRows(
      this.#table,
      this.#shape.mapping,
      pseudonyms,
      (this.#known ??= new KnownNames()),
      isErased,
    );
    let last: Row | undefined;
    const made = async function* (): AsyncIterable<Buffer> {
      for await (const piece of text) yield rows.take(piece);
      last = rows.end();
      onRead(last, rows.rows);
    };
    await sourceTables.stageText!(loadId, this.#table, parts, made());
    return { rows: rows.rows, last, events: 0, quarantined: 0, nulled: rows.nulled };
  }

  /** Rows but those of people who were erased. */
  async #allowed(): Promise<(rows: readonly Row[]) => readonly Row[]> {
    const list = await this.#ports.suppressions.current();
    const field = this.#shape.spec.fields["customer_id"];
    if (list.size === 0 || field === undefined) return (rows) => rows;
    const customer = cellReader(this.#shape.mapping.read, field);
    return (rows) =>
      rows.filter((row) => {
        const id = customer(row);
        return id === null || id === "" || !list.has(this.#ports.pseudonyms.customer(id));
      });
  }

  /** Lines of the page's orders, staged, and by their order's key. */
  async #lines(
    loadId: string,
    part: number,
    orders: readonly Row[],
    reader: RowReader,
    { nulled }: RowMaker,
  ): Promise<Map<string, SaidLine[]>> {
    const { spec, linesPlan, linesMapping, mapping } = this.#shape;
    const { order, fields, key } = spec.lines!;
    const maker = new RowMaker(this.#linesTable!, linesMapping!, this.#ports.pseudonyms, undefined);
    const say = lineSaying(fields, linesMapping!.read, key);
    const orderOf = cellReader(linesMapping!.read, order);
    const byOrder = new Map<string, SaidLine[]>();
    const ids = orders.map(cellReader(mapping.read, spec.key[0])).filter((id): id is string => id !== null);
    const made = async function* (): AsyncIterable<readonly Row[]> {
      for (let from = 0; from < ids.length; from += ORDERS_AT_ONCE)
        for await (const block of reader.rowsOf(linesPlan!, order, ids.slice(from, from + ORDERS_AT_ONCE))) {
          for (const row of block) {
            const id = orderOf(row)!;
            const of = byOrder.get(id);
            if (of === undefined) byOrder.set(id, [say(row)]);
            else of.push(say(row));
          }
          yield block.map((row) => maker.make(row));
        }
    };
    await this.#ports.sourceTables.stage(loadId, this.#linesTable!, part, made());
    for (const [field, count] of Object.entries(maker.nulled)) nulled[field] = (nulled[field] ?? 0) + count;
    return byOrder;
  }

  #saying(lines: ReadonlyMap<string, readonly SaidLine[]> | undefined): (row: Row) => OrderSaid {
    const { spec, mapping } = this.#shape;
    if (spec.maps === "returns") return refundSaying(spec, mapping.read, this.#deleted);
    const say = orderSaying(spec, mapping.read, this.#deleted);
    const key = cellReader(mapping.read, spec.key[0]);
    return (row) => say(row, lines === undefined ? undefined : (lines.get(key(row) ?? "") ?? []));
  }

  /** Traits of persons, for the profile store alone; of orders no more than who the customer is. */
  async #profiles(rows: readonly Row[], nowMs: number): Promise<void> {
    const { spec, mapping, plan } = this.#shape;
    const field = spec.fields["customer_id"];
    if (field === undefined) return;
    const customer = cellReader(mapping.read, field);
    const traits =
      spec.maps === "profiles" ? spec.personal.map((name) => [name, cellReader(mapping.read, name)] as const) : [];
    const changed = cellReader([...mapping.read], plan.watermark);
    let some: Profile[] = [];
    for (const row of rows) {
      const id = customer(row);
      if (id === null || id === "" || this.#deleted(row) !== null) continue;
      const told = Object.fromEntries(traits.map(([name, cell]) => [name, cell(row)]));
      const at = traits.length === 0 ? Number.NaN : Date.parse(`${(changed(row) ?? "").replace(" ", "T")}Z`);
      some.push(profileOf(this.#ports, id, told, Number.isNaN(at) ? nowMs : at));
      if (some.length < PROFILES_AT_ONCE) continue;
      await this.#ports.profiles.put(some);
      some = [];
    }
    if (some.length > 0) await this.#ports.profiles.put(some);
  }

  commitOf({ loadId, since }: LoadUnderWay): SourceCommit {
    const { spec } = this.#shape;
    const { deletion } = spec;
    // A load that reads everything sees what is gone, unless its source says that nothing ever is.
    const isWhole = spec.mode === "snapshot" || (since === undefined && deletion !== "none");
    return {
      source: spec.name,
      loadId,
      mode: isWhole ? "snapshot" : "merge",
      table: this.#table,
      keysStaged: !isWhole && deletion === "keys",
      ...(this.#linesTable === undefined ? {} : { lines: { table: this.#linesTable, ...linesLinkOf(this.#shape)! } }),
    };
  }

  /** Keys as the lake has them: pseudonyms where the key is a customer. */
  keysOf(rows: readonly Row[]): readonly Row[] {
    const { plan, mapping } = this.#shape;
    const customerAt = plan.key.findIndex(
      (field) => mapping.columns.find((column) => column.field === field)!.isCustomer,
    );
    if (customerAt < 0) return rows;
    return rows.map((row) =>
      row.map((cell, at) => (at === customerAt && cell !== null ? this.#ports.pseudonyms.customer(cell) : cell)),
    );
  }

  /** Orders and refunds whose rows are gone count no more. Answers the events that said so. */
  async tellRemoved(commit: SourceCommit, remainingMs?: () => number): Promise<number> {
    const { maps } = this.#shape.spec;
    if (maps !== "orders" && maps !== "returns") return 0;
    const state = maps === "orders" ? ("placed" as const) : ("refund" as const);
    let events = 0;
    const column = maps === "orders" ? "order_id" : "refund_id";
    for await (const rows of this.#ports.sourceTables.removed(commit, [column], remainingMs)) {
      const gone = rows.flatMap(([orderId]) => (orderId == null ? [] : [{ orderId, state }]));
      for (let from = 0; from < gone.length; from += ORDERS_AT_ONCE)
        events += (await this.#orders.remove(gone.slice(from, from + ORDERS_AT_ONCE))).events;
    }
    return events;
  }
}
