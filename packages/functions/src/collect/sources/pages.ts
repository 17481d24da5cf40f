/** The pages of a load in the order of their key: where one ends, and the next one, which is read while one is worked off. */
import {
  type Cell,
  type LoadUnderWay,
  type Page,
  type PageEnd,
  type Position,
  type Row,
  type RowReader,
  SourceProblem,
} from "@ebb/ports/source-ports";
import type { BegunPage, PageDone, PageWork } from "./page-work.ts";
import type { Shape } from "./shape.ts";

export class Pages {
  readonly #shape: Shape;
  readonly #reader: RowReader;
  #ahead: BegunPage | undefined;

  constructor(shape: Shape, reader: RowReader) {
    this.#shape = shape;
    this.#reader = reader;
  }

  /** Takes a page; the one behind it is asked for as soon as it is read. @throws SourceProblem, TransientError */
  async take(work: PageWork, underWay: LoadUnderWay, page: Page): Promise<PageDone> {
    const { plan } = this.#shape;
    const begun = this.#ahead ?? work.begin(this.#reader.page(plan, page));
    this.#ahead = undefined;
    return await work.take(underWay, begun, this.#reader, (last, rows) => {
      if (this.#mayReadAhead(work, last, rows))
        this.#ahead = work.begin(this.#reader.page(plan, { ...page, after: this.#positionOf(last) }));
    });
  }

  /** Where the page ended: with its last row, and a short one is the last. @throws SourceProblem for a key that is null */
  endOf({ last, rows }: PageDone): Partial<PageEnd> & Pick<PageEnd, "complete" | "passed"> {
    return (
      this.#reader.pageEnd?.() ?? {
        ...(last === undefined ? {} : { after: this.#positionOf(last) }),
        complete: rows < this.#shape.spec.page,
        passed: 0,
      }
    );
  }

  /** Nobody takes the page that was asked for. */
  abandon(): void {
    if (this.#ahead === undefined) return;
    ("text" in this.#ahead ? this.#ahead.text : this.#ahead.rows).abandon();
    this.#ahead = undefined;
  }

  /**
   * Whether the page behind a row can be asked for before its own is durable: not where the reader alone knows how a page
   * ended, and not where others are told of the rows. Lines are read then, through the same connection, and MySQL gives up a
   * statement whose rows nobody takes for a minute.
   */
  #mayReadAhead(work: PageWork, last: Row | undefined, rows: number): last is Row {
    const { plan, spec } = this.#shape;
    if (last === undefined || rows < spec.page || work.speaks) return false;
    if (this.#reader.pageEnd !== undefined || this.#reader.prepare !== undefined) return false;
    // A row whose key is null is told when the page is done.
    return plan.key.every((field) => this.#cellOf(last, field) !== null);
  }

  #cellOf(row: Row, field: string): Cell {
    return row[this.#shape.plan.fields.indexOf(field)] ?? null;
  }

  #positionOf(row: Row): Position {
    const { plan, spec } = this.#shape;
    const key = plan.key.map((field) => this.#cellOf(row, field));
    const missing = plan.key[key.indexOf(null)];
    if (missing !== undefined)
      throw new SourceProblem(
        "not_unique",
        spec.name,
        `the key field ${missing} is null in a row: such a row cannot be told from others.`,
        { field: missing },
      );
    // Behind the declared fields comes the watermark as the database writes it.
    return {
      key: key as string[],
      ...(plan.watermark === undefined ? {} : { watermark: row[plan.fields.length] ?? null }),
    };
  }
}
