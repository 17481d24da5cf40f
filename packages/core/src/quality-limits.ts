/** From where on the quality report warns, and from where on data stops a model or a whole run: by source, table and column. */
import { z } from "zod";

/** What is measured; a share of 0 to 1 but for the last three. */
export const measures = {
  missing: "share of the rows without a value, of columns where one is expected",
  negative: "share of the values below zero, of columns where none should be",
  repeated: "share of the rows that say what another row says",
  outliers: "share of the values that are far from all others",
  gaps: "share of the values that are not found in the other table",
  duplicates: "share of the rows with an id that was there already",
  conflicting: "share of the rows with the id of another row of their file that say something else",
  quarantined: "share of the refused rows",
  drift_missing: "points by which the share of missing values differs from before",
  drift_mean: "standard deviations by which the mean differs from before",
  drift_rows: "times as many rows, or as few, as before",
} as const;
export type Measure = keyof typeof measures;

/** What a run cannot know: they are sums of the ledger. */
const ofLedger: ReadonlySet<Measure> = new Set(["duplicates", "conflicting", "quarantined"]);
const notAShare: ReadonlySet<Measure> = new Set(["drift_mean", "drift_rows"]);

export const QualityLimit = z
  .strictObject({
    measure: z.enum(Object.keys(measures) as [Measure, ...Measure[]]),
    /** Of the events; all where absent, as with the other two. */
    source: z.string().min(1).optional(),
    table: z.string().min(1).optional(),
    column: z.string().min(1).optional(),
    /** Told from here on; `null`: never. As before where absent. */
    warn: z.number().nonnegative().nullable().optional(),
    /** Stops from here on; `null`: never. */
    stop: z.number().nonnegative().nullable().optional(),
    /** What it stops: a run as a whole, which keeps what is served as it was, or its churn model alone. */
    stops: z.enum(["run", "model"]).optional(),
  })
  .superRefine(({ measure, warn, stop, stops }, context) => {
    const fault = (path: string, message: string): void => {
      context.addIssue({ code: "custom", path: [path], message });
    };
    if (warn === undefined && stop === undefined)
      fault("warn", "is missing: a limit says from where on to warn, or to stop");
    if (!notAShare.has(measure))
      for (const [name, limit] of Object.entries({ warn, stop }))
        if (typeof limit === "number" && limit > 1) fault(name, `is a share of 0 to 1: ${measures[measure]}`);
    if (measure === "drift_rows")
      for (const [name, limit] of Object.entries({ warn, stop }))
        if (typeof limit === "number" && limit <= 1) fault(name, `is above 1: ${measures[measure]}`);
    if (typeof warn === "number" && typeof stop === "number" && stop < warn)
      fault("stop", "is below warn: what stops is told as well");
    if (typeof stop === "number" && ofLedger.has(measure))
      fault("stop", `cannot be: a run does not know the ${measures[measure]}; ebb quality warns of it`);
    if (stops !== undefined && typeof stop !== "number")
      fault("stops", "says what a limit `stop` stops, and there is none");
  });
export type QualityLimit = z.infer<typeof QualityLimit>;

/**
 * Where nothing else is set. Orders that name nobody stop nothing: a till knows no customers, and its orders are in no
 * customer's history.
 */
export const defaultLimits: readonly QualityLimit[] = [
  { measure: "missing", warn: 0.05 },
  { measure: "negative", warn: 0 },
  { measure: "repeated", warn: 0.001 },
  { measure: "repeated", table: "orders", stop: 0.5, stops: "model" },
  { measure: "outliers", warn: 0.005 },
  { measure: "gaps", warn: 0.05 },
  { measure: "duplicates", warn: 0.005 },
  { measure: "conflicting", warn: 0 },
  { measure: "quarantined", warn: 0.01 },
  { measure: "drift_missing", warn: 0.1 },
  { measure: "drift_mean", warn: 1 },
  { measure: "drift_rows", warn: 4 },
];

export interface Limits {
  /** Absent: never. */
  readonly warn?: number;
  readonly stop?: number;
  readonly stops: "run" | "model";
}
export interface Place {
  readonly source: string;
  readonly table: string;
  readonly column?: string | undefined;
}

const [COLUMN, TABLE, SOURCE] = [4, 2, 1];
const specificity = ({ source, table, column }: QualityLimit): number =>
  (column === undefined ? 0 : COLUMN) + (table === undefined ? 0 : TABLE) + (source === undefined ? 0 : SOURCE);

/**
 * The limits of a place: `warn` and `stop` each by the limit that names the place most closely (a column before a table
 * before a source), of two alike the later; a team's own before those that are there without it.
 */
export const limitsOf = (own: readonly QualityLimit[]): ((measure: Measure, place: Place) => Limits) => {
  const closest = (limits: readonly QualityLimit[]): QualityLimit[] =>
    limits
      .map((limit, at) => ({ limit, at }))
      .sort((a, b) => specificity(b.limit) - specificity(a.limit) || b.at - a.at)
      .map(({ limit }) => limit);
  const inTurn = [...closest(own), ...closest(defaultLimits)];
  return (measure, place) => {
    const known = inTurn.filter(
      (limit) =>
        limit.measure === measure &&
        (limit.source === undefined || limit.source === place.source) &&
        (limit.table === undefined || limit.table === place.table) &&
        (limit.column === undefined || limit.column === place.column),
    );
    const warn = known.find((limit) => limit.warn !== undefined)?.warn;
    const stopping = known.find((limit) => limit.stop !== undefined);
    return {
      ...(typeof warn === "number" ? { warn } : {}),
      ...(typeof stopping?.stop === "number" ? { stop: stopping.stop } : {}),
      stops: stopping?.stops ?? "run",
    };
  };
};

/** A limit in words, for whoever set it: `missing of till, orders.customer_key: warns from 0.3, stops a run from 0.8`. */
export const limitText = ({ measure, source, table, column, warn, stop, stops = "run" }: QualityLimit): string => {
  const place = [source, [table, column].filter((one) => one !== undefined).join(".")].filter(Boolean).join(", ");
  const says = [
    ...(warn === undefined ? [] : [warn === null ? "never warns" : `warns from ${warn}`]),
    ...(stop === undefined
      ? []
      : [stop === null ? "never stops" : `stops ${stops === "run" ? "a run" : "the model"} from ${stop}`]),
  ];
  return `${measure}${place === "" ? "" : ` of ${place}`}: ${says.join(", ")}`;
};
