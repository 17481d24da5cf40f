/**
 * Every metric that is counted here, once: handlers count by these names, `stacks/` puts alarms on them, and
 * docs/operations.md lists them. A name that is not here does not compile.
 */
export const metricNames = {
  /** Events, or rows of a file, that came in. */
  EventsReceived: ["channel"],
  /** Events, or rows of a file, that went to quarantine. */
  EventsQuarantined: ["channel"],
  /** Uploads that were refused whole. */
  UploadsFailed: [],
  /** Runs of an upload that failed; those that are tried again count too. One machine. */
  UploadRunsFailed: [],
  /** Order events of known customers that the score stage read, redeliveries included. */
  OrderEventsRead: [],
  /** Writes of a customer that met a newer version, and were made again from it. */
  CustomerWriteConflicts: [],
  /** Stream records that a consumer wants delivered again. */
  RecordsFailed: ["consumer"],
  /** Batches that a consumer failed on whole. One machine: Lambda counts its own. */
  BatchesFailed: ["consumer"],
  /** Stream records given up after all retries. One machine: Lambda counts its own. */
  RecordsGivenUp: ["consumer"],
  /** Events written to the lake. One machine: Firehose counts its own. */
  EventsLanded: [],
  /** Rounds of the land stage that failed and are made again. One machine. */
  LandRunsFailed: [],
  /** Rows that connectors read. */
  SourceRowsRead: ["source"],
  /** Loads of a source that failed; those that are tried again count too. */
  SourceLoadsFailed: ["source"],
  /** Loads of a source that reached the lake. */
  SourceLoadsDone: ["source"],
  /** Batch runs that failed. */
  RunsFailed: [],
  /** Batch runs that could make no churn model: too few customers, a source that went silent, … */
  RunsWithoutModel: [],
  /** Customers whose RFM in the store is not that of the lake after a run. */
  CustomersDrifted: [],
} as const satisfies Record<string, readonly string[]>;

/** The dimensions of each stand beside it. */
export type MetricName = keyof typeof metricNames;
