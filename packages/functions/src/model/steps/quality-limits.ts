/** The limits that a team has set for its data, before anything is made of it. */
import { type Finding, type MonthProfile, type ReferenceGaps, qualityReport } from "@ebb/core/quality";
import { columnRules } from "@ebb/lake/batch/quality-subjects";
import type { TableExport } from "@ebb/ports";
import { compareLoads } from "../../collect/sources/compare-loads.ts";
import type { RunModelPorts } from "../run-model-ports.ts";
import { type RunSteps, StepFailed } from "../run-steps.ts";
import { PROFILES_SQL, REFERENCES_SQL } from "../sql/quality.ts";

export const qualityExports: readonly TableExport[] = [
  { name: "quality-profiles", sql: () => PROFILES_SQL },
  { name: "quality-references", sql: () => REFERENCES_SQL },
];

type Ports = Pick<RunModelPorts, "runner" | "settings" | "sourceLoads">;

/**
 * @param exports of a job with `qualityExports`
 * @returns why no churn model is to be made of this data, a sentence each
 * @throws StepFailed where a limit stops the run: what is served stays as it was
 */
export const checkLimits = async (
  steps: RunSteps,
  { runner, settings, sourceLoads }: Ports,
  exports: Readonly<Record<string, string>>,
): Promise<readonly string[]> =>
  await steps.step(
    "quality limits",
    async () => {
      const { findings } = qualityReport({
        profiles: await profilesOf(runner, exports["quality-profiles"]!),
        references: await referencesOf(runner, exports["quality-references"]!),
        rules: columnRules,
        loads: compareLoads((await sourceLoads?.()) ?? []),
        limits: settings.quality,
      });
      const stopping = findings.filter(({ severity }) => severity === "stop");
      const sentencesOf = (stops: NonNullable<Finding["stops"]>): string[] =>
        stopping.filter((finding) => finding.stops === stops).map(({ sentence }) => sentence);
      const run = sentencesOf("run");
      if (run.length > 0)
        throw new StepFailed(
          `The data reaches a limit of quality that stops a run. ${run.join(" ")} What is served is of the run before; ebb quality tells more, and the limit stands in the settings.`,
        );
      return sentencesOf("model");
    },
    (reasons) => ({ "limits that stop the model": reasons.length }),
  );

type Columns = Awaited<ReturnType<Ports["runner"]["readColumns"]>>;

const rowsOf = (columns: Columns, names: readonly string[]): Record<string, string | number | undefined>[] =>
  Array.from({ length: columns[names[0]!]!.length }, (_, row) =>
    Object.fromEntries(names.map((name) => [name, columns[name]![row]])),
  );
const text = (value: string | number | undefined): string => String(value ?? "");
const number = (value: string | number | undefined): number => Number(value ?? 0);
/** Exports have NaN for what is NULL. */
const optional = (name: string, value: string | number | undefined) =>
  typeof value !== "number" || Number.isNaN(value) ? {} : { [name]: value };
const instant = (value: string | number | undefined): string =>
  new Date(`${text(value).replace(" ", "T").replace(/Z?$/, "Z")}`).toISOString();

const profilesOf = async (runner: Ports["runner"], key: string): Promise<MonthProfile[]> => {
  const names = [
    ...[
      "source",
      "table_name",
      "column_name",
      "month",
      "rows_told",
      "missing",
      "distinct_values",
      "minimum",
      "maximum",
    ],
    ...["mean", "sd", "negative", "outliers", "repeated", "first_at", "last_at", "received_at"],
  ];
  return rowsOf(await runner.readColumns(key, names), names).map((row) => ({
    source: text(row["source"]),
    table: text(row["table_name"]),
    column: text(row["column_name"]),
    month: text(row["month"]),
    rows: number(row["rows_told"]),
    missing: number(row["missing"]),
    distinct: number(row["distinct_values"]),
    ...optional("minimum", row["minimum"]),
    ...optional("maximum", row["maximum"]),
    ...optional("mean", row["mean"]),
    ...optional("sd", row["sd"]),
    negative: number(row["negative"]),
    outliers: number(row["outliers"]),
    repeated: number(row["repeated"]),
    firstAt: instant(row["first_at"]),
    lastAt: instant(row["last_at"]),
    receivedAt: instant(row["received_at"]),
  }));
};

const referencesOf = async (runner: Ports["runner"], key: string): Promise<ReferenceGaps[]> => {
  const names = ["source", "reference", "values_named", "gaps"];
  return rowsOf(await runner.readColumns(key, names), names).map((row) => ({
    source: text(row["source"]),
    reference: text(row["reference"]),
    values: number(row["values_named"]),
    gaps: number(row["gaps"]),
  }));
};
