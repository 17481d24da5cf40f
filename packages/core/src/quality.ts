/**
 * The quality report: what each source sends, table by table and column by column, and what of it somebody should look at.
 * Pure: from the rows of `quality_profiles` and `quality_references`, and from the sums of the ledger.
 */

import { type LoadComparison, columnDrift, loadDrift, percent, rowsDrift, severityOf } from "./quality-drift.ts";
import { type Limits, type Measure, type Place, type QualityLimit, limitsOf } from "./quality-limits.ts";

/** A row of `quality_profiles`; numbers of texts are absent. `column` `*` is the table as a whole. */
export interface MonthProfile {
  readonly source: string;
  readonly table: string;
  readonly column: string;
  /** `YYYY-MM` */
  readonly month: string;
  readonly rows: number;
  readonly missing: number;
  readonly distinct: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly mean?: number;
  readonly sd?: number;
  readonly negative: number;
  readonly outliers: number;
  readonly repeated: number;
  /** RFC 3339 */
  readonly firstAt: string;
  readonly lastAt: string;
  readonly receivedAt: string;
}

export interface ReferenceGaps {
  readonly source: string;
  readonly reference: string;
  readonly values: number;
  readonly gaps: number;
}

/** What arrived from a source, by the ledger. `duplicates` carried an id that had arrived before. */
export interface Arrived {
  readonly source: string;
  /** A file's name, or the channel: `http`, `hook`. */
  readonly by: string;
  readonly received: number;
  readonly duplicates: number;
  /** Of the duplicates of files: rows with the id of another row of their file that say something else. */
  readonly conflicting?: number;
  readonly quarantined: number;
}

/** What is expected of a column, as the lake declares it. */
export interface ColumnRule {
  readonly table: string;
  readonly column: string;
  readonly expected: boolean;
  readonly atLeastZero: boolean;
}

export const findingCodes = [
  "missing",
  "negative",
  "repeated",
  "outliers",
  "gaps",
  "drift",
  "duplicates",
  "conflicting",
  "quarantined",
] as const;

export interface Finding {
  readonly severity: "warn" | "stop";
  /** Of what stops: the run as a whole, or its churn model alone. */
  readonly stops?: "run" | "model";
  readonly code: (typeof findingCodes)[number];
  readonly source: string;
  readonly table: string;
  readonly column?: string;
  /** How many rows, or values, it is about; of a drift none. */
  readonly count?: number;
  /** Of all of them. */
  readonly share?: number;
  readonly sentence: string;
}

export interface ColumnQuality {
  readonly column: string;
  readonly missing: number;
  /** The most distinct values that a month had. */
  readonly distinct: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly mean?: number;
  readonly negative: number;
  readonly outliers: number;
}

export interface TableQuality {
  readonly source: string;
  readonly table: string;
  readonly rows: number;
  readonly repeated: number;
  readonly firstAt: string;
  readonly lastAt: string;
  /** When the last of it arrived. */
  readonly receivedAt: string;
  readonly months: number;
  readonly columns: readonly ColumnQuality[];
}

export interface QualityReport {
  readonly tables: readonly TableQuality[];
  readonly references: readonly ReferenceGaps[];
  /** Absent where the ledger was not summed. */
  readonly arrived?: readonly Arrived[];
  /** Those that stop first, then by source and table. */
  readonly findings: readonly Finding[];
  /** What was set besides the limits that are there without it. */
  readonly limits: readonly QualityLimit[];
}

/** The newest month is compared with so many before it at least, where it has so many rows. */
const DRIFT = { monthsBefore: 3, rows: 100 } as const;

const WHOLE = "*";
const DAY_MS = 86_400_000;

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const latest = (values: readonly string[]): string => values.reduce((a, b) => (a > b ? a : b));
const earliest = (values: readonly string[]): string => values.reduce((a, b) => (a < b ? a : b));
const present = (values: readonly (number | undefined)[]): number[] => values.filter((value) => value !== undefined);
const count = (value: number): string => value.toLocaleString("en");

const columnOf = (column: string, months: readonly MonthProfile[]): ColumnQuality => {
  const [minima, maxima] = [
    present(months.map(({ minimum }) => minimum)),
    present(months.map(({ maximum }) => maximum)),
  ];
  const told = sum(months.map(({ rows, missing }) => rows - missing));
  const total = sum(months.map(({ rows, missing, mean }) => (mean === undefined ? 0 : mean * (rows - missing))));
  return {
    column,
    missing: sum(months.map(({ missing }) => missing)),
    distinct: Math.max(...months.map(({ distinct }) => distinct)),
    ...(minima.length === 0
      ? {}
      : { minimum: Math.min(...minima), maximum: Math.max(...maxima), mean: told === 0 ? 0 : total / told }),
    negative: sum(months.map(({ negative }) => negative)),
    outliers: sum(months.map(({ outliers }) => outliers)),
  };
};

const tableOf = (profiles: readonly MonthProfile[]): TableQuality => {
  const whole = profiles.filter(({ column }) => column === WHOLE);
  const byColumn = Map.groupBy(
    profiles.filter(({ column }) => column !== WHOLE),
    ({ column }) => column,
  );
  return {
    source: profiles[0]!.source,
    table: profiles[0]!.table,
    rows: sum(whole.map(({ rows }) => rows)),
    repeated: sum(whole.map(({ repeated }) => repeated)),
    firstAt: earliest(whole.map(({ firstAt }) => firstAt)),
    lastAt: latest(whole.map(({ lastAt }) => lastAt)),
    receivedAt: latest(whole.map(({ receivedAt }) => receivedAt)),
    months: whole.length,
    columns: [...byColumn].map(([column, months]) => columnOf(column, months)),
  };
};

type LimitsAt = (measure: Measure, place: Place) => Limits;

/** A finding where the share reaches a limit and there is anything at all. */
const judged = (
  limits: LimitsAt,
  code: Exclude<Finding["code"], "drift">,
  where: Pick<Finding, "source" | "table" | "column">,
  some: number,
  all: number,
  what: string,
): Finding[] => {
  const share = all === 0 ? 0 : some / all;
  const found = some === 0 ? undefined : severityOf(share, limits(code, where));
  if (found === undefined) return [];
  const place = `${where.source}, ${where.table}${where.column === undefined ? "" : `.${where.column}`}`;
  const sentence = `${place}: ${count(some)} of ${count(all)} ${what} (${percent(share)}).`;
  return [{ ...found, code, ...where, count: some, share, sentence }];
};

const ofTable = (limits: LimitsAt, table: TableQuality, rules: readonly ColumnRule[]): Finding[] => {
  const { source, rows } = table;
  const where = { source, table: table.table };
  return [
    ...judged(limits, "repeated", where, table.repeated, rows, "rows say what another row says"),
    ...table.columns.flatMap((each) => {
      const at = { ...where, column: each.column };
      const rule = rules.find(({ table: name, column }) => name === table.table && column === each.column);
      const told = rows - each.missing;
      return [
        ...(rule?.expected === true ? judged(limits, "missing", at, each.missing, rows, "rows have no value") : []),
        ...(rule?.atLeastZero === true
          ? judged(limits, "negative", at, each.negative, told, "values are below zero")
          : []),
        ...judged(limits, "outliers", at, each.outliers, told, "values are far from all others"),
      ];
    }),
  ];
};

const rowsADay = ({ rows, firstAt, lastAt }: MonthProfile): number =>
  rows / (Math.floor(Date.parse(lastAt) / DAY_MS) - Math.floor(Date.parse(firstAt) / DAY_MS) + 1);

/** The newest month of a column, or of a table as a whole, against the months before it. */
const driftOf = (limits: LimitsAt, months: readonly MonthProfile[]): Finding[] => {
  const inTurn = [...months].sort((a, b) => (a.month < b.month ? -1 : 1));
  const newest = inTurn.pop();
  if (newest === undefined || inTurn.length < DRIFT.monthsBefore || newest.rows < DRIFT.rows) return [];
  const { source, table, column, month } = newest;
  const when = `in ${month}`;
  if (column === WHOLE) {
    const before = sum(inTurn.map(rowsADay)) / inTurn.length;
    return rowsDrift(limits, { source, table }, when, [rowsADay(newest), before], "rows a day");
  }
  const all = columnOf(column, inTurn);
  const sds = present(inTurn.map(({ sd }) => sd));
  return columnDrift(
    limits,
    { source, table, column },
    when,
    { missing: newest.missing / newest.rows, mean: newest.mean },
    {
      missing: all.missing / sum(inTurn.map((each) => each.rows)),
      mean: all.mean,
      sd: sds.length === 0 ? undefined : sum(sds) / sds.length,
    },
  );
};

export interface QualityInput {
  readonly profiles: readonly MonthProfile[];
  readonly references: readonly ReferenceGaps[];
  readonly rules: readonly ColumnRule[];
  readonly arrived?: readonly Arrived[];
  /** The last loads of declared sources, where they are at hand. */
  readonly loads?: readonly LoadComparison[] | undefined;
  /** What a team has set. */
  readonly limits?: readonly QualityLimit[] | undefined;
}

export const qualityReport = ({
  profiles,
  references,
  rules,
  arrived,
  loads = [],
  limits: own = [],
}: QualityInput): QualityReport => {
  const limits = limitsOf(own);
  const tables = [...Map.groupBy(profiles, ({ source, table }) => `${source}\n${table}`).values()]
    .map(tableOf)
    .sort((a, b) => (`${a.source}\n${a.table}` < `${b.source}\n${b.table}` ? -1 : 1));
  const columns = Map.groupBy(profiles, ({ source, table, column }) => `${source}\n${table}\n${column}`);
  const findings = [
    ...tables.flatMap((table) => ofTable(limits, table, rules)),
    ...references.flatMap(({ source, reference, values, gaps }) =>
      judged(limits, "gaps", { source, table: reference }, gaps, values, "values are not found"),
    ),
    ...(arrived ?? []).flatMap(({ source, by, received, duplicates, conflicting = 0, quarantined }) => [
      ...judged(
        limits,
        "duplicates",
        { source, table: by },
        duplicates,
        received,
        "rows carried an id that was there already",
      ),
      ...judged(
        limits,
        "conflicting",
        { source, table: by },
        conflicting,
        received,
        "rows carried the id of another row of the file and say something else",
      ),
      ...judged(limits, "quarantined", { source, table: by }, quarantined, received, "rows were refused"),
    ]),
    ...loads.flatMap((load) => loadDrift(limits, load)),
    ...[...columns.values()].flatMap((months) => driftOf(limits, months)),
  ];
  findings.sort((a, b) => Number(b.severity === "stop") - Number(a.severity === "stop"));
  return { tables, references, ...(arrived === undefined ? {} : { arrived }), findings, limits: own };
};
