/** A source without a database. */
import type { Row, RowReader, SourceField } from "@ebb/ports/source-ports";

/** A table that is handed over as it stands. */
export const readerOf = (fields: readonly SourceField[], rows: readonly Row[]): RowReader => ({
  describe: async ({ fields: names }) => names.map((name) => fields.find((field) => field.name === name)!),
  begin: async () => ({}),
  before: () => Promise.reject(new Error("nothing is incremental")),
  page: async function* ({ fields: names }, { after }) {
    if (after !== undefined) return;
    yield rows.map((row) => names.map((name) => row[fields.findIndex((field) => field.name === name)]!));
  },
  rowsOf: () => {
    throw new Error("there are no lines");
  },
  close: async () => undefined,
});
