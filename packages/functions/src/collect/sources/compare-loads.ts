/** The last load of each declared source beside the one before it. */
import type { LoadComparison } from "@ebb/core/quality-drift";
import type { LoadEnd } from "@ebb/ports/source-ports";

/** How the loads of a source ended. */
export interface SourceLoads {
  readonly name: string;
  /** Newest first. */
  readonly ends: readonly LoadEnd[];
}

/** Loads that changed nothing, or failed, left no table to compare. */
export const compareLoads = (sources: readonly SourceLoads[]): LoadComparison[] =>
  sources.flatMap(({ name, ends }) => {
    const tables = [...new Set(ends.flatMap(({ tables: committed = [] }) => committed.map((table) => table.name)))];
    return tables.flatMap((table): LoadComparison[] => {
      const looked = ends.flatMap(({ outcome, endedAtMs, tables: committed = [] }) =>
        committed
          .filter((one) => outcome === "loaded" && one.name === table && one.columns !== undefined)
          .map(({ rows, columns }) => ({ endedAtMs, rows, columns: columns! })),
      );
      const [now, before] = looked;
      if (now === undefined || before === undefined) return [];
      return [
        {
          source: name,
          table,
          at: new Date(now.endedAtMs).toISOString(),
          rows: [now.rows, before.rows],
          columns: now.columns.flatMap(({ name: column, ...held }) => {
            const known = before.columns.find((one) => one.name === column);
            return known === undefined ? [] : [{ column, now: held, before: known }];
          }),
        },
      ];
    });
  });
