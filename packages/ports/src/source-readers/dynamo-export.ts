/**
 * Items of DynamoDB's own exports (DYNAMODB_JSON): the newest full one, from then on the incremental ones in their order.
 * The instant up to which an export tells is the watermark. Nothing of a file is taken before its MD5 was found right.
 */
import { createHash } from "node:crypto";
import { ObjectNotFound } from "../ports.ts";
import {
  type Page,
  type PageEnd,
  type ReadPlan,
  type Row,
  type RowReader,
  type SourceField,
  type SourceObjects,
  SourceProblem,
} from "../source-ports.ts";
import { awsProblem } from "./aws-problems.ts";
import { ItemRows, type ItemsOptions } from "./dynamo-rows.ts";
import type { Item } from "./dynamo-values.ts";
import { DamagedExport, type ExportFile, type TableExport, chainFrom, exportsOf, filesOf } from "./export-manifest.ts";
import { gzipLines } from "./gzip-lines.ts";

export interface DynamoExportOptions extends ItemsOptions {
  readonly source: string;
  readonly table: string;
  readonly objects: SourceObjects;
  /** Where the exports are, for messages. */
  readonly place: string;
  readonly prefix: string;
  /** Has an export made that tells of what came since, and waits for it; absent where others see to that. */
  readonly request?: (sinceMs: number | undefined) => Promise<void>;
}

/** Where a page ended: export, file, items of the file that were read. */
interface Place {
  readonly id: string;
  readonly file: number;
  readonly line: number;
}

interface ExportedRecord {
  readonly Item?: Item;
  readonly Keys?: Item;
  readonly NewImage?: Item;
  readonly OldImage?: Item;
}

const BLOCK_ROWS = 1_000;

export class DynamoExportReader implements RowReader {
  readonly #options: DynamoExportOptions;
  readonly #rows: ItemRows;
  #chain: readonly TableExport[] | undefined;
  #files: { readonly id: string; readonly files: readonly ExportFile[] } | undefined;
  /** A file that a page left half-read, so that the next one need not begin it anew. */
  #open: { readonly place: Place; readonly lines: AsyncGenerator<string, void, undefined> } | undefined;
  #end: PageEnd | undefined;

  constructor(options: DynamoExportOptions) {
    this.#options = options;
    this.#rows = new ItemRows(options);
  }

  async describe(plan: ReadPlan): Promise<readonly SourceField[]> {
    await this.#calling(() => this.#found());
    return this.#rows.fieldsOf(plan);
  }

  async begin(): Promise<object> {
    return {};
  }

  /** Everything is read again where no incremental export goes on behind the last one, but a full one is newer. */
  async before(_plan: ReadPlan, watermark: string): Promise<string | undefined> {
    const chain = await this.#calling(() => this.#chainFrom(watermark));
    return chain === undefined ? undefined : watermark;
  }

  async *page(plan: ReadPlan, { since, after, limit }: Page): AsyncIterable<readonly Row[]> {
    const chain = await this.#calling(() => this.#exports(since));
    this.#rows.clear();
    const [id, file, line] = after?.key ?? [];
    let place: Place | undefined =
      id === undefined ? startOf(chain[0]) : { id, file: Number(file), line: Number(line) };
    const at = chain.findIndex((one) => one.id === place?.id);
    if (place !== undefined && at < 0) throw this.#problem(`the export ${place.id} is gone while it was read`);
    let [read, passed] = [0, 0];
    const from = place?.id;
    while (place !== undefined && place.id === from && read < limit) {
      const taken: { place: Place | undefined; rows: Row[]; items: number; passed: number } = await this.#calling(() =>
        this.#block(plan, chain, place!, Math.min(BLOCK_ROWS, limit - read)),
      );
      read += taken.items;
      passed += taken.passed;
      place = taken.place;
      if (taken.rows.length > 0) yield taken.rows;
    }
    const last = chain[at];
    this.#end = {
      // What follows begins with the next export; the last one's end stays as the watermark.
      after: {
        key: place === undefined ? (after?.key ?? []) : [place.id, String(place.file), String(place.line)],
        ...(last === undefined ? {} : { watermark: new Date(last.toMs).toISOString() }),
      },
      complete: place === undefined,
      passed,
    };
  }

  pageEnd(): PageEnd {
    if (this.#end === undefined) throw new Error("no page was read to its end");
    return this.#end;
  }

  async *rowsOf(plan: ReadPlan, _field: string, values: readonly string[]): AsyncIterable<readonly Row[]> {
    yield this.#rows.lines(plan, values);
  }

  /** Some items from a place on, and the place behind them; a place behind the last file is the next export. */
  async #block(
    plan: ReadPlan,
    chain: readonly TableExport[],
    place: Place,
    limit: number,
  ): Promise<{ place: Place | undefined; rows: Row[]; items: number; passed: number }> {
    const one = chain.find(({ id }) => id === place.id)!;
    const files = await this.#filesOf(one);
    const file = files[place.file];
    if (file === undefined) {
      const next = chain[chain.indexOf(one) + 1];
      return { place: startOf(next), rows: [], items: 0, passed: 0 };
    }
    const lines = await this.#linesFrom(file, place);
    const rows: Row[] = [];
    let [items, passed] = [0, 0];
    while (items < limit) {
      const next = await lines.next();
      if (next.done === true) {
        if (place.line + items !== file.items)
          throw new DamagedExport(`${file.key} has ${place.line + items} items, its manifest says ${file.items}`);
        return { place: { id: place.id, file: place.file + 1, line: 0 }, rows, items, passed };
      }
      items++;
      const own = this.#rowsOf(plan, recordOf(next.value, file.key));
      if (own.length === 0) passed++;
      rows.push(...own);
    }
    const behind = { ...place, line: place.line + items };
    this.#open = { place: behind, lines };
    return { place: behind, rows, items, passed };
  }

  /** What a record says: the item as it is; what no longer is an item of this source is deleted. */
  #rowsOf(plan: ReadPlan, { Item: item, NewImage: now, OldImage: before }: ExportedRecord): readonly Row[] {
    if (item !== undefined) return this.#rows.rows(plan, [item]);
    const gone = before === undefined ? [] : this.#rows.rows(plan, [before], new Set([before]));
    const is = now === undefined ? [] : this.#rows.rows(plan, [now]);
    const keyOf = (row: Row | undefined): string =>
      JSON.stringify(row === undefined ? [] : plan.key.map((field) => row[plan.fields.indexOf(field)]));
    return is.length > 0 && keyOf(gone[0]) === keyOf(is[0]) ? is : [...gone, ...is];
  }

  async #linesFrom(file: ExportFile, place: Place): Promise<AsyncGenerator<string, void, undefined>> {
    const { objects } = this.#options;
    const open = this.#open;
    this.#open = undefined;
    if (open !== undefined && JSON.stringify(open.place) === JSON.stringify(place)) return open.lines;
    await open?.lines.return();
    const md5 = createHash("md5");
    for await (const chunk of await objects.read(file.key)) md5.update(chunk);
    if (md5.digest("base64") !== file.md5)
      throw new DamagedExport(`${file.key} is not what its manifest says: its MD5 is another one`);
    const lines = gzipLines(await objects.read(file.key));
    for (let line = 0; line < place.line; line++) await lines.next();
    return lines;
  }

  async #filesOf(one: TableExport): Promise<readonly ExportFile[]> {
    if (this.#files?.id !== one.id) {
      if (one.format !== "DYNAMODB_JSON")
        throw this.#problem(`the export ${one.id} is in the format ${one.format}; DYNAMODB_JSON can be read`);
      if (one.fromMs !== undefined && one.view !== "NEW_AND_OLD_IMAGES")
        throw this.#problem(`the export ${one.id} has no old images, by which deletions are known: NEW_AND_OLD_IMAGES`);
      this.#files = { id: one.id, files: await filesOf(this.#options.objects, one) };
    }
    return this.#files.files;
  }

  /** The exports of this load, those that had to be asked for included. */
  async #exports(since: string | undefined): Promise<readonly TableExport[]> {
    if (this.#chain !== undefined) return this.#chain;
    const chain = (await this.#chainFrom(since)) ?? [];
    if (chain.length === 0 && since === undefined)
      throw new SourceProblem(
        "no_table",
        this.#options.source,
        `there is no finished full export of the table ${this.#options.table} under ${this.#options.place}.`,
      );
    return (this.#chain = chain);
  }

  async #chainFrom(since: string | undefined): Promise<readonly TableExport[] | undefined> {
    const { request } = this.#options;
    const sinceMs = since === undefined ? undefined : Date.parse(since);
    const chain = chainFrom(await this.#found(), sinceMs);
    if (request === undefined || chain === undefined) return chain;
    await request(chain.at(-1)?.toMs ?? sinceMs);
    return chainFrom(await this.#found(), sinceMs);
  }

  async #found(): Promise<readonly TableExport[]> {
    const { objects, prefix, table } = this.#options;
    return await exportsOf(objects, prefix, table);
  }

  #problem(text: string): SourceProblem {
    return new SourceProblem("unsupported", this.#options.source, `${text}.`);
  }

  async #calling<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const { source, place } = this.#options;
      if (
        error instanceof DamagedExport ||
        error instanceof ObjectNotFound ||
        /^Z_(?:DATA|BUF)_ERROR$/.test((error as { code?: string }).code ?? "")
      )
        throw new SourceProblem("bad_value", source, `${(error as Error).message}.`, { cause: error });
      throw awsProblem(source, place, error);
    }
  }

  async close(): Promise<void> {
    await this.#open?.lines.return();
  }
}

/** The words of JSON.parse hold a piece of the item: they are not passed on. */
const recordOf = (line: string, key: string): ExportedRecord => {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    throw new DamagedExport(`${key} has a line that is not JSON`);
  }
  if (typeof record !== "object" || record === null) throw new DamagedExport(`${key} has a line that is no item`);
  return record;
};

const startOf = (one: TableExport | undefined): Place | undefined =>
  one === undefined ? undefined : { id: one.id, file: 0, line: 0 };
