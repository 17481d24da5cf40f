/**
 * Rows of a relational table that is too large for one connection: Spark reads it in partitions, side by side, and leaves
 * parts of lines of JSON, which a load then reads as it reads pages. Whatever is small (the fields, the clock, the bounds,
 * keys, lines of orders) comes from the database's own reader, which so finds every fault that it would find by itself.
 */
import { ObjectNotFound } from "../ports.ts";
import {
  type Page,
  type PageEnd,
  type PageRows,
  type Position,
  type ReadPlan,
  type Row,
  type RowReader,
  type SourceField,
  SourceProblem,
} from "../source-ports.ts";
import { gzipLines } from "./gzip-lines.ts";
import { type JdbcRead, type JdbcReader, jdbcRead } from "./jdbc.ts";
import { canDivide, cutPoints, rangeConditions } from "./partitions.ts";
import { fromOf } from "./sql-text.ts";
import { later } from "./watermark.ts";

/** Reads by Spark that loads ask for. */
export interface PartitionedReads {
  /**
   * The parts of a load's read, in their order; `read` is asked for when there is none yet.
   * @throws SourceWaiting while the job runs, SourceProblem when it failed
   */
  parts(loadId: string, read: () => Promise<JdbcRead>): Promise<readonly string[]>;
  open(part: string): Promise<AsyncIterable<Uint8Array>>;
  /** Forgets what was read for a load. */
  discard(loadId: string): Promise<void>;
}

export interface PartitionedOptions {
  readonly source: string;
  /** The first field of the key that can be divided where absent. */
  readonly partitionColumn?: string | undefined;
  readonly partitions: number;
  /** `whole`: what changed since the load before is read through one connection. */
  readonly loads: "whole" | "all";
  /** The field that names a person as the producer does. */
  readonly customer?: string | undefined;
  /** Authorities of the system, as PEM. */
  readonly authorities: () => string;
}

const BLOCK_ROWS = 2_000;
/** A line in the place of a row that was erased. */
export const NO_ROW = "null";
/** Part, and lines of it that were read. */
type Place = readonly [part: number, line: number];

export class PartitionedReader implements RowReader {
  readonly #database: JdbcReader;
  readonly #reads: PartitionedReads;
  readonly #options: PartitionedOptions;
  /** The plan of the load: others are of its keys and lines. */
  #main: string | undefined;
  #parts: readonly string[] | undefined;
  /** A part that a page left half-read. */
  #open: { readonly place: Place; readonly lines: AsyncGenerator<string, void, undefined> } | undefined;
  #end: PageEnd | undefined;

  constructor(database: JdbcReader, reads: PartitionedReads, options: PartitionedOptions) {
    this.#database = database;
    this.#reads = reads;
    this.#options = options;
  }

  async describe(plan: ReadPlan): Promise<readonly SourceField[]> {
    return await this.#database.describe(plan);
  }

  /**
   * What changes while partitions are read is read again by the next load: a watermark that counts has the highest number of
   * now for a clock.
   */
  async begin(plan: ReadPlan): Promise<{ readonly clock?: string }> {
    this.#main = planId(plan);
    const { clock } = await this.#database.begin(plan);
    if (clock !== undefined || plan.watermark === undefined) return clock === undefined ? {} : { clock };
    const { raw, words } = this.#database.jdbc;
    const [highest] = await this.#database.ask(plan, raw(`max(${words.name(plan.watermark)})`), "");
    return highest == null ? {} : { clock: highest };
  }

  async before(plan: ReadPlan, watermark: string, overlap: number): Promise<string | undefined> {
    return await this.#database.before(plan, watermark, overlap);
  }

  async prepare(plan: ReadPlan, page: Page): Promise<void> {
    if (this.#isOfSpark(plan, page)) await this.#partsOf(plan, page);
  }

  page(plan: ReadPlan, page: Page): PageRows {
    this.#end = undefined;
    return this.#isOfSpark(plan, page) ? this.#page(plan, page) : this.#database.page(plan, page);
  }

  #isOfSpark(plan: ReadPlan, { since }: Page): boolean {
    return planId(plan) === this.#main && (since === undefined || this.#options.loads === "all");
  }

  pageEnd(): PageEnd | undefined {
    return this.#end;
  }

  rowsOf(plan: ReadPlan, field: string, values: readonly string[]): AsyncIterable<readonly Row[]> {
    return this.#database.rowsOf(plan, field, values);
  }

  async *#page(plan: ReadPlan, page: Page): AsyncGenerator<readonly Row[]> {
    const { after, limit } = page;
    const parts = await this.#partsOf(plan, page);
    const key = plan.key.map((field) => plan.fields.indexOf(field));
    let place = placeOf(after);
    let watermark = after?.watermark ?? undefined;
    for (let read = 0; place[0] < parts.length && read < limit;) {
      const taken = await this.#block(parts, place, Math.min(BLOCK_ROWS, limit - read));
      for (const row of taken.rows) {
        const missing = key.findIndex((at) => row[at] === null);
        if (missing >= 0) throw this.#nullKey(plan.key[missing]!);
        if (plan.watermark !== undefined) watermark = later(watermark, row[plan.fields.length] ?? undefined);
      }
      place = taken.place;
      read += taken.rows.length;
      if (taken.rows.length > 0) yield taken.rows;
    }
    this.#end = {
      after: { key: place.map(String), ...(watermark === undefined ? {} : { watermark }) },
      complete: place[0] >= parts.length,
      passed: 0,
    };
  }

  async #partsOf(plan: ReadPlan, { since, loadId }: Page): Promise<readonly string[]> {
    if (loadId === undefined) throw new TypeError("rows that Spark reads belong to a load");
    return (this.#parts ??= await this.#reads.parts(loadId, () => this.#read(plan, since)));
  }

  /** What Spark is to read, by the bounds as they are now. */
  async #read(plan: ReadPlan, since: string | undefined): Promise<JdbcRead> {
    const { jdbc } = this.#database;
    const { words } = jdbc;
    const fields = await this.#database.describe(plan);
    const field = this.#partitionField(plan, fields);
    const name = words.name(field.name);
    const watermark = plan.watermark === undefined ? undefined : words.name(plan.watermark);
    const where = since === undefined ? "" : ` WHERE (${watermark!} >= ${words.value(since)} OR ${watermark!} IS NULL)`;
    const bounds = `${jdbc.raw(`min(${name})`)}, ${jdbc.raw(`max(${name})`)}`;
    const [low, high] = await this.#database.ask(plan, bounds, where);
    const cuts = cutPoints(field, low == null || high == null ? undefined : { low, high }, this.#options.partitions);
    const conditions = rangeConditions("ebb_partition", cuts, words);
    return jdbcRead(
      this.#database,
      plan,
      fields,
      fromOf(plan, words),
      where,
      { field: field.name, conditions },
      this.#options,
    );
  }

  #partitionField(plan: ReadPlan, fields: readonly SourceField[]): SourceField {
    const { source, partitionColumn } = this.#options;
    const names = partitionColumn === undefined ? plan.key : [partitionColumn];
    const found = names.map((name) => fields.find((field) => field.name === name)!);
    const divisible = found.find(canDivide);
    if (divisible !== undefined) return divisible;
    const [first] = found;
    throw new SourceProblem(
      "unsupported",
      source,
      `the field ${first!.name} (${first!.type}) cannot be divided into partitions: read.spark needs a whole number or a time in the key.`,
      { field: first!.name },
    );
  }

  /** Some rows from a place on, and the place behind them. */
  async #block(
    parts: readonly string[],
    place: Place,
    limit: number,
  ): Promise<{ readonly rows: readonly Row[]; readonly place: Place }> {
    const [part, line] = place;
    try {
      const lines = await this.#linesFrom(parts[part]!, place);
      const rows: Row[] = [];
      let taken = 0;
      for (; rows.length < limit; taken++) {
        const next = await lines.next();
        if (next.done === true) return { rows, place: [part + 1, 0] };
        if (next.value !== NO_ROW) rows.push(JSON.parse(next.value) as Row);
      }
      const behind: Place = [part, line + taken];
      this.#open = { place: behind, lines };
      return { rows, place: behind };
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof ObjectNotFound || isDamaged(error))
        throw new SourceProblem("bad_value", this.#options.source, "what Spark had read is damaged or gone.", {
          cause: error instanceof SyntaxError ? undefined : error, // its words hold a piece of the row
        });
      throw error;
    }
  }

  async #linesFrom(part: string, place: Place): Promise<AsyncGenerator<string, void, undefined>> {
    const open = this.#open;
    this.#open = undefined;
    if (open?.place[0] === place[0] && open.place[1] === place[1]) return open.lines;
    await open?.lines.return();
    const lines = gzipLines(await this.#reads.open(part));
    for (let line = 0; line < place[1]; line++) await lines.next();
    return lines;
  }

  #nullKey(field: string): SourceProblem {
    return new SourceProblem(
      "not_unique",
      this.#options.source,
      `the key field ${field} is null in a row: such a row cannot be told from others.`,
      { field },
    );
  }

  async discard(loadId: string): Promise<void> {
    await this.#reads.discard(loadId);
  }

  async close(): Promise<void> {
    await this.#open?.lines.return();
    await this.#database.close();
  }
}

const placeOf = (after: Position | undefined): Place => [Number(after?.key[0] ?? 0), Number(after?.key[1] ?? 0)];
const isDamaged = (error: unknown): boolean => /^Z_(?:DATA|BUF)_ERROR$/.test((error as { code?: string }).code ?? "");

const planId = ({ from, fields, watermark }: ReadPlan): string => JSON.stringify([from, fields, watermark]);
