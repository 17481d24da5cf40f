/**
 * A table that is partitioned by month is written in one statement, which parts its rows, or by a statement for each month
 * (docs/decisions/0019-what-a-batch-run-costs.md). Parting copies each row once more, in memory that is new to the process;
 * a month by itself opens every file again that it may be in.
 */

/** What a statement reads. */
export interface Extent {
  readonly rows: number;
  readonly files: number;
}

/** CPU, milliseconds, measured with orders of five lines in files of a day each. */
const PARTING_ROW_MS = 0.0025;
const OPENING_FILE_MS = 0.6;
const STATEMENT_MS = 10;

export const cheaperByMonth = ({ rows, files }: Extent, months: number): boolean =>
  rows * PARTING_ROW_MS > months * (files * OPENING_FILE_MS + STATEMENT_MS);
