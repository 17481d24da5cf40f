/** What the rows of a part, a partition, an upload add up to. received = accepted + duplicate + quarantined. */
export interface PartSums {
  readonly received: number;
  readonly accepted: number;
  readonly duplicate: number;
  /** Of the duplicates: rows with the id of another row of the file that say something else. */
  readonly conflicting: number;
  readonly quarantined: number;
  readonly events: number;
  readonly settled: boolean;
  /** Quarantined rows by reason. */
  readonly reasons: Readonly<Record<string, number>>;
}

export const noSums: PartSums = {
  received: 0,
  accepted: 0,
  duplicate: 0,
  conflicting: 0,
  quarantined: 0,
  events: 0,
  settled: true,
  reasons: {},
};

export const addSums = (a: PartSums, b: PartSums): PartSums => ({
  received: a.received + b.received,
  accepted: a.accepted + b.accepted,
  duplicate: a.duplicate + b.duplicate,
  conflicting: a.conflicting + b.conflicting,
  quarantined: a.quarantined + b.quarantined,
  events: a.events + b.events,
  settled: a.settled && b.settled,
  reasons: addCounts(a.reasons, b.reasons),
});

const addCounts = (a: PartSums["reasons"], b: PartSums["reasons"]): PartSums["reasons"] => {
  const sums = { ...a };
  for (const [code, count] of Object.entries(b)) sums[code] = (sums[code] ?? 0) + count;
  return sums;
};
