/**
 * The quality report: what each source sends, table by table and column by column, and what of it somebody should look at.
 * Pure: from the rows of `quality_profiles` and `quality_references`, and from the sums of the ledger.
 */

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
  "quarantined",
] as const;

export interface Finding {
  /** `stop`: no churn model is made of such data. */
  readonly severity: "warn" | "stop";
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
}

/**
 * From which share on something is told; `stop`, of orders, from which on no model is made. Orders that name nobody stop
 * nothing: a till knows no customers, and its orders are in no customer's history.
 */
export const qualityThresholds = {
  missing: { warn: 0.05 },
  negative: { warn: 0 },
  repeated: { warn: 0.001, stop: 0.5 },
  outliers: { warn: 0.005 },
  gaps: { warn: 0.05 },
  duplicates: { warn: 0.005 },
  quarantined: { warn: 0.01 },
  /** Newest month against those before: points of the missing share, standard deviations of the mean, times the rows a day. */
  drift: { missing: 0.1, meanSds: 1, rowsTimes: 4, monthsBefore: 3, rows: 100 },
} as const;

const WHOLE = "*";
const DAY_MS = 86_400_000;

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const latest = (values: readonly string[]): string => values.reduce((a, b) => (a > b ? a : b));
const earliest = (values: readonly string[]): string => values.reduce((a, b) => (a < b ? a : b));
const present = (values: readonly (number | undefined)[]): number[] => values.filter((value) => value !== undefined);
const percent = (share: number): string => `${(100 * share).toFixed(share < 0.01 ? 2 : 1)} %`;
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

/** A finding where the share reaches a threshold and there is anything at all. */
const judged = (
  code: "missing" | "negative" | "repeated" | "outliers" | "gaps" | "duplicates" | "quarantined",
  where: Pick<Finding, "source" | "table" | "column">,
  some: number,
  all: number,
  what: string,
): Finding[] => {
  const limits: { readonly warn: number; readonly stop?: number } = qualityThresholds[code];
  const share = all === 0 ? 0 : some / all;
  if (some === 0 || share < limits.warn) return [];
  const severity = limits.stop !== undefined && share >= limits.stop && where.table === "orders" ? "stop" : "warn";
  const place = `${where.source}, ${where.table}${where.column === undefined ? "" : `.${where.column}`}`;
  return [
    {
      severity,
      code,
      ...where,
      count: some,
      share,
      sentence: `${place}: ${count(some)} of ${count(all)} ${what} (${percent(share)}).`,
    },
  ];
};

/** What is to be said of rows that say what another row of the table says. */
export const repeatedFindings = ({
  source,
  table,
  rows,
  repeated,
}: Pick<TableQuality, "source" | "table" | "rows" | "repeated">): Finding[] =>
  judged("repeated", { source, table }, repeated, rows, "rows say what another row says");

const ofTable = (table: TableQuality, rules: readonly ColumnRule[]): Finding[] => {
  const { source, rows } = table;
  const where = { source, table: table.table };
  return [
    ...repeatedFindings(table),
    ...table.columns.flatMap((each) => {
      const at = { ...where, column: each.column };
      const rule = rules.find(({ table: name, column }) => name === table.table && column === each.column);
      const told = rows - each.missing;
      return [
        ...(rule?.expected === true ? judged("missing", at, each.missing, rows, "rows have no value") : []),
        ...(rule?.atLeastZero === true ? judged("negative", at, each.negative, told, "values are below zero") : []),
        ...judged("outliers", at, each.outliers, told, "values are far from all others"),
      ];
    }),
  ];
};

const rowsADay = ({ rows, firstAt, lastAt }: MonthProfile): number =>
  rows / (Math.floor(Date.parse(lastAt) / DAY_MS) - Math.floor(Date.parse(firstAt) / DAY_MS) + 1);

/** The newest month of a column, or of a table as a whole, against the months before it. */
const driftOf = (months: readonly MonthProfile[]): Finding[] => {
  const { drift } = qualityThresholds;
  const inTurn = [...months].sort((a, b) => (a.month < b.month ? -1 : 1));
  const newest = inTurn.pop();
  if (newest === undefined || inTurn.length < drift.monthsBefore || newest.rows < drift.rows) return [];
  const { source, table, column, month } = newest;
  const tell = (what: string): Finding => ({
    severity: "warn",
    code: "drift",
    ...{ source, table },
    ...(column === WHOLE ? {} : { column }),
    sentence: `${source}, ${table}${column === WHOLE ? "" : `.${column}`}: in ${month} ${what}.`,
  });
  if (column === WHOLE) {
    const [now, before] = [rowsADay(newest), sum(inTurn.map(rowsADay)) / inTurn.length];
    return now > before * drift.rowsTimes || now * drift.rowsTimes < before
      ? [tell(`${now.toFixed(0)} rows a day, ${before.toFixed(0)} in the months before`)]
      : [];
  }
  const all = columnOf(column, inTurn);
  const rows = sum(inTurn.map((each) => each.rows));
  const [now, before] = [newest.missing / newest.rows, all.missing / rows];
  const found =
    Math.abs(now - before) > drift.missing ? [tell(`${percent(now)} are missing, ${percent(before)} before`)] : [];
  const sds = present(inTurn.map(({ sd }) => sd));
  const sd = sds.length === 0 ? 0 : sum(sds) / sds.length;
  if (
    newest.mean !== undefined &&
    all.mean !== undefined &&
    sd > 0 &&
    Math.abs(newest.mean - all.mean) > drift.meanSds * sd
  )
    found.push(tell(`the mean is ${newest.mean.toPrecision(4)}, ${all.mean.toPrecision(4)} before`));
  return found;
};

export interface QualityInput {
  readonly profiles: readonly MonthProfile[];
  readonly references: readonly ReferenceGaps[];
  readonly rules: readonly ColumnRule[];
  readonly arrived?: readonly Arrived[];
}

export const qualityReport = ({ profiles, references, rules, arrived }: QualityInput): QualityReport => {
  const tables = [...Map.groupBy(profiles, ({ source, table }) => `${source}\n${table}`).values()]
    .map(tableOf)
    .sort((a, b) => (`${a.source}\n${a.table}` < `${b.source}\n${b.table}` ? -1 : 1));
  const columns = Map.groupBy(profiles, ({ source, table, column }) => `${source}\n${table}\n${column}`);
  const findings = [
    ...tables.flatMap((table) => ofTable(table, rules)),
    ...references.flatMap(({ source, reference, values, gaps }) =>
      judged("gaps", { source, table: reference }, gaps, values, "values are not found"),
    ),
    ...(arrived ?? []).flatMap(({ source, by, received, duplicates, quarantined }) => [
      ...judged("duplicates", { source, table: by }, duplicates, received, "rows carried an id that was there already"),
      ...judged("quarantined", { source, table: by }, quarantined, received, "rows were refused"),
    ]),
    ...[...columns.values()].flatMap(driftOf),
  ];
  findings.sort((a, b) => Number(b.severity === "stop") - Number(a.severity === "stop"));
  return { tables, references, ...(arrived === undefined ? {} : { arrived }), findings };
};
