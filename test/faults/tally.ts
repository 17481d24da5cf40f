/** What a campaign counts, and what must be 0 in the end. */

/** A schedule whose outcome was not the one that exactly once leaves. */
export interface Failure {
  /** What `--only` takes. */
  readonly schedule: string;
  readonly message: string;
}

export class Tally {
  schedules = 0;
  /** Events, or orders, that were acknowledged and are not there. */
  lost = 0;
  /** Events, or orders, that are there twice. */
  doubled = 0;
  /** Ledger lines that are missing or do not add up. */
  unbalanced = 0;
  /** Customers who are not worth what the plain computation over the log says. */
  drifted = 0;
  /** Faults that were made, by kind. */
  readonly faults = new Map<string, number>();
  readonly failures: Failure[] = [];

  fault(kind: string, count = 1): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + count);
  }

  fail(schedule: string, message: string): void {
    this.failures.push({ schedule, message });
  }

  add(other: Tally): void {
    this.schedules += other.schedules;
    this.lost += other.lost;
    this.doubled += other.doubled;
    this.unbalanced += other.unbalanced;
    this.drifted += other.drifted;
    for (const [kind, count] of other.faults) this.fault(kind, count);
    this.failures.push(...other.failures);
  }

  get clean(): boolean {
    return this.failures.length === 0 && this.lost + this.doubled + this.unbalanced + this.drifted === 0;
  }
}

/** A part of the campaign by its schedules: each has a name of its own, and the same seed and name repeat it. */
export interface Part {
  readonly name: string;
  /** One line: what goes wrong in it. */
  readonly what: string;
  readonly run: (only: string | undefined) => Promise<Tally>;
}
