/** The figures of this home for who watches it: what it counted, how far its stages are, what it costs. */
import { statSync, statfsSync } from "node:fs";
import path from "node:path";
import type { Measure, Measures, Quarantine, RunStore } from "@ebb/ports";
import { countedMeasures } from "@ebb/ports/embedded/metrics-measures";
import type { EmbeddedMetrics } from "@ebb/ports/embedded/metrics";
import type { LogReader } from "@ebb/ports/embedded/log-reader";
import type { EmbeddedEventLog } from "@ebb/ports/embedded/event-log";
import type { Progress } from "./progress.ts";

export interface MeasuredHome {
  readonly folder: string;
  readonly counters: EmbeddedMetrics;
  readonly progress: Progress;
  readonly log: EmbeddedEventLog;
  readonly reader: LogReader;
  readonly quarantine: Quarantine;
  readonly runs: RunStore;
  readonly now: () => number;
}

/** Databases whose growth is what a home costs in disk, besides the lake. */
const DATABASES = ["log", "customers", "profiles", "order-book", "uploads", "scores", "runs"];

export const homeMeasures = (home: MeasuredHome): Measures => ({
  read: async () => [
    ...countedMeasures(home.counters.snapshot()),
    ...lags(home),
    gauge(
      "ebb_quarantine_items",
      "Refused events and rows that are kept now, by reason",
      Object.entries(await home.quarantine.counts({})).map(([reason, value]) => ({ labels: { reason }, value })),
    ),
    ...(await runs(home)),
    ...costs(home.folder),
  ],
});

const gauge = (name: string, help: string, samples: Measure["samples"]): Measure => ({
  ...{ name, type: "gauge", help, samples },
});
const single = (name: string, type: Measure["type"], help: string, value: number): Measure => ({
  ...{ name, type, help, samples: [{ value }] },
});

/** `land` is what SQL sees: an event is landed when it is in a Parquet file. */
const lags = ({ progress, log, reader, now }: MeasuredHome): Measure[] => {
  const head = log.head();
  const stages = [
    ["score", progress.get("score")],
    ["land", progress.get("landed")],
  ] as const;
  const ageSeconds = (doneSeq: number): number => {
    const [oldest] = reader.read(doneSeq, 1, 1, head.seq);
    return oldest === undefined ? 0 : Math.max(0, now() - oldest.arrivedAtMs) / 1_000;
  };
  return [
    single("ebb_log_events_total", "counter", "Events ever appended to the log", head.events),
    single("ebb_log_records_total", "counter", "Records ever appended to the log", head.seq),
    gauge(
      "ebb_stage_lag_records",
      "Records of the log that a stage has not done",
      stages.map(([stage, done]) => ({ labels: { stage }, value: Math.max(0, head.seq - done) })),
    ),
    gauge(
      "ebb_stage_lag_seconds",
      "Age of the oldest record that a stage has not done; 0 when it has done all",
      stages.map(([stage, done]) => ({ labels: { stage }, value: ageSeconds(done) })),
    ),
  ];
};

/** Looked for among the newest runs: one that has failed so often has its own alarm. */
const RUNS_LOOKED_AT = 20;

const runs = async ({ runs: store, now }: MeasuredHome): Promise<Measure[]> => {
  const found = await store.list({ limit: RUNS_LOOKED_AT });
  const done = found.runs.find(({ state }) => state === "succeeded");
  const last = found.runs.find(({ state }) => state !== "running");
  return [
    gauge(
      "ebb_run_age_seconds",
      "Since the last batch run that succeeded ended: how old segments, scores and marts are",
      done?.endedAtMs === undefined ? [] : [{ value: Math.max(0, now() - done.endedAtMs) / 1_000 }],
    ),
    gauge(
      "ebb_run_failed",
      "1 when the last batch run that is over has failed, else 0",
      last === undefined ? [] : [{ value: last.state === "failed" ? 1 : 0 }],
    ),
  ];
};

/** What a home costs: processor, memory, disk. Names of processes' measures are Prometheus' own. */
const costs = (folder: string): Measure[] => {
  const { user, system } = process.cpuUsage();
  const { bavail, bsize } = statfsSync(folder);
  const bytes = DATABASES.flatMap((store) => {
    const sizes = [".db", ".db-wal"].map(
      (end) => statSync(path.join(folder, `${store}${end}`), { throwIfNoEntry: false })?.size,
    );
    return sizes[0] === undefined ? [] : [{ labels: { store }, value: sizes[0] + (sizes[1] ?? 0) }];
  });
  return [
    single(
      "process_cpu_seconds_total",
      "counter",
      "Processor time of the home, all its threads",
      (user + system) / 1e6,
    ),
    single("process_resident_memory_bytes", "gauge", "Memory of the home", process.memoryUsage.rss()),
    single(
      "process_start_time_seconds",
      "gauge",
      "When the home was started",
      Math.floor(performance.timeOrigin / 1_000),
    ),
    gauge("ebb_database_bytes", "Size of a database on disk, its write-ahead log included", bytes),
    single("ebb_disk_free_bytes", "gauge", "Room on the disk of the home's folder", bavail * bsize),
  ];
};
