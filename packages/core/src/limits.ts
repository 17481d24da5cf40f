/** The same in both homes: the narrowest service on the way decides (Lambda's 6 MB request, Firehose's 1,000 KiB record). */
export const limits = {
  eventBytes: 900_000,
  batchBytes: 4_000_000,
  directUploadBytes: 4_000_000,
  batchEvents: 10_000,
  orderLines: 10_000,
  /** Events in one aggregated stream record. */
  recordEvents: 500,
  /** Bytes of one aggregated stream record before it is closed. */
  recordBytes: 900_000,
  /** JSON deeper than this is refused before it is parsed. */
  jsonDepth: 64,
  /** Orders that one write of a customer holds: a DynamoDB transaction takes 100 items, one of which is the aggregate. */
  customerWriteOrders: 99,
  futureMs: 86_400_000,
  quarantineDays: 30,
  keptOriginalDays: 7,
  /** Days after an erasure until nothing is left of the person, old versions and backups included (docs/erasure.md). */
  erasureBoundDays: 30,
} as const;
