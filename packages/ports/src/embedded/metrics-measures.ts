/** The metrics that handlers count, as Prometheus names them: `EventsReceived` is `ebb_events_received_total`. */
import type { MetricName } from "../metric-names.ts";
import type { Measure } from "../ports.ts";
import type { Counter } from "./metrics.ts";

/** By metric, in a sentence: docs/operations.md says more. */
const help: Readonly<Record<MetricName, string>> = {
  EventsReceived: "Events, or rows of a file, that came in",
  EventsQuarantined: "Events, or rows of a file, that went to quarantine",
  UploadsFailed: "Uploads that were refused whole",
  UploadRunsFailed: "Runs of an upload that failed, those tried again too",
  OrderEventsRead: "Order events of known customers that the score stage read, redeliveries included",
  CustomerWriteConflicts: "Writes of a customer that met a newer version and were made again",
  RecordsFailed: "Records of the log that a stage wants delivered again",
  BatchesFailed: "Batches that a stage failed on whole",
  RecordsGivenUp: "Records of the log given up after all retries",
  EventsLanded: "Events written to the lake",
  LandRunsFailed: "Rounds of the land stage that failed and are made again",
  SourceRowsRead: "Rows that connectors read",
  SourceLoadsFailed: "Loads of a source that failed, those tried again too",
  SourceLoadsDone: "Loads of a source that reached the lake",
  RunsFailed: "Batch runs that failed",
  RunsWithoutModel: "Batch runs that could make no churn model",
  CustomersDrifted: "Customers whose figures in the store were not those of the lake after a run",
};

const nameOf = (metric: MetricName): string =>
  `ebb${metric.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}_total`;

/** Every metric, those included that nothing was counted of. */
export const countedMeasures = (counters: readonly Counter[]): Measure[] =>
  (Object.keys(help) as MetricName[]).map((metric) => ({
    name: nameOf(metric),
    type: "counter",
    help: help[metric],
    samples: counters
      .filter(({ name }) => name === metric)
      .map(({ dimensions, value }) => ({ labels: dimensions, value })),
  }));
