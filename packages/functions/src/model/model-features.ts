/** The features of the lake as the model takes them. */
import { type Columns } from "@ebb/core/churn/preprocessing";
import { type Feature, type FeatureColumn, categoryColumn } from "@ebb/core/churn/features";
import { modelFeatures as declared } from "@ebb/lake/batch/features";
import type { ExportedColumn } from "@ebb/ports";

const logs = { none: undefined, log1p: "log1p", signedLog1p: "signed_log1p" } as const;

/**
 * What grows with the age of the data is not cut off at the training rows' limits: all who have been away for longer than
 * anybody had then would be alike (CDNOW, trained at 92 days of history: an AUC of 0.744 where 0.77 is to be had).
 */
const growing: ReadonlySet<string> = new Set(["recency", "tenure"]);

export const modelFeatures: readonly Feature[] = declared.flatMap(({ name, group, treatment }): Feature[] => {
  const named = { name, label: name.replaceAll("_", " "), group };
  switch (treatment.kind) {
    case "none":
      return [];
    case "categorical":
      return [{ kind: "category", ...named }];
    case "numeric": {
      const log = logs[treatment.transform];
      return [
        {
          kind: "number",
          ...named,
          indicator: treatment.missing === "median",
          ...(treatment.winsorise && !growing.has(group) ? {} : { winsor: "none" as const }),
          ...(log === undefined ? {} : { log }),
        },
      ];
    }
  }
});

export const featureNames = modelFeatures.map(({ name }) => name);

/** Columns of an export as the model reads them. */
export const columnsOf = (exported: Readonly<Record<string, ExportedColumn>>): Columns =>
  Object.fromEntries(
    modelFeatures.map(({ name, kind }): [string, FeatureColumn] => {
      const column = exported[name];
      if (column === undefined) throw new RangeError(`the export has no column ${name}`);
      if (kind === "number")
        // A column that is NULL in every row may come without a type.
        return [name, column instanceof Float64Array ? column : new Float64Array(column.length).fill(NaN)];
      return [name, categoryColumn(column instanceof Float64Array ? [...column].map(() => undefined) : column)];
    }),
  );
