/** The quality report as the tables of the latest run have it. */
import { type Arrived, type MonthProfile, type QualityReport, qualityReport } from "@ebb/core/quality";
import { columnRules } from "@ebb/lake/batch/quality-subjects";
import type { QueryEngine, Settings, SqlValue } from "@ebb/ports";
import { type SourceLoads, compareLoads } from "../../collect/sources/compare-loads.ts";
import { PROFILES_SQL, REFERENCES_SQL } from "../../model/sql/quality.ts";
import { type MartRow, instantOf, numberOf, numberOrAbsent, rowsOf, textOf } from "./mart-handler.ts";

const some = (name: string, value: SqlValue | undefined) => {
  const number = numberOrAbsent(value);
  return number === undefined ? {} : { [name]: number };
};

const profileOf = (row: MartRow): MonthProfile => ({
  source: textOf(row["source"]),
  table: textOf(row["table_name"]),
  column: textOf(row["column_name"]),
  month: textOf(row["month"]),
  rows: numberOf(row["rows_told"]),
  missing: numberOf(row["missing"]),
  distinct: numberOf(row["distinct_values"]),
  ...some("minimum", row["minimum"]),
  ...some("maximum", row["maximum"]),
  ...some("mean", row["mean"]),
  ...some("sd", row["sd"]),
  negative: numberOf(row["negative"]),
  outliers: numberOf(row["outliers"]),
  repeated: numberOf(row["repeated"]),
  firstAt: instantOf(row["first_at"])!,
  lastAt: instantOf(row["last_at"])!,
  receivedAt: instantOf(row["received_at"])!,
});

export interface QualitySources {
  /** Sums of the ledger, where they are at hand. */
  readonly arrived?: readonly Arrived[];
  readonly limits?: Settings["quality"];
  readonly loads?: readonly SourceLoads[] | undefined;
}

/** What is to be told before any run has looked. */
export const unreadQuality = ({ limits, loads = [] }: QualitySources): QualityReport =>
  qualityReport({ profiles: [], references: [], rules: columnRules, limits, loads: compareLoads(loads) });

export const readQuality = async (
  queries: QueryEngine,
  { arrived, limits, loads = [] }: QualitySources,
): Promise<QualityReport> => {
  const [profiles, references] = await Promise.all([rowsOf(queries, PROFILES_SQL), rowsOf(queries, REFERENCES_SQL)]);
  return qualityReport({
    profiles: profiles.map(profileOf),
    references: references.map((row) => ({
      source: textOf(row["source"]),
      reference: textOf(row["reference"]),
      values: numberOf(row["values_named"]),
      gaps: numberOf(row["gaps"]),
    })),
    rules: columnRules,
    limits,
    loads: compareLoads(loads),
    ...(arrived === undefined ? {} : { arrived }),
  });
};
