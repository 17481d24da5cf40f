/** Tables of a declared source as a load leaves them, of rows that a test gives. */
import { EmbeddedSourceTables } from "@ebb/ports/embedded/source-tables";
import type { Row, SourceCommit, SourceTable } from "@ebb/ports/source-ports";

let loads = 0;

/** Rows in the place of all that the table held, and their lines where it has any. */
export const fillSource = async (
  lakeFolder: string,
  table: SourceTable,
  rows: readonly Row[],
  lines?: SourceCommit["lines"] & { readonly rows: readonly Row[] },
): Promise<void> => {
  const tables = await EmbeddedSourceTables.open({ lakeFolder, now: Date.now });
  const loadId = `load_${++loads}`;
  const stage = async (staged: SourceTable, of: readonly Row[]): Promise<unknown> =>
    await tables.stage(
      loadId,
      staged,
      0,
      (async function* () {
        yield of;
      })(),
    );
  await stage(table, rows);
  if (lines !== undefined) await stage(lines.table, lines.rows);
  await tables.commit({ source: table.name, loadId, mode: "snapshot", table, keysStaged: false, lines });
  await tables.close();
};
