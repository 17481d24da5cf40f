/** What an audit answers: an account that must balance from the front door to the marts, and what breaks it, by name. */

export interface AccountLine {
  /** Which promise the line is about. */
  readonly name: string;
  readonly left: readonly [what: string, amount: number];
  readonly right: readonly [what: string, amount: number];
  /** Why there is nothing to compare, where there is not. */
  readonly note?: string;
}

/** One entry that is not as it must be. No personal data: receipts, events and customers by their keys. */
export interface Finding {
  /** Name of the account line that it breaks. */
  readonly line: string;
  /** Where the fault is: `ledger`, `quarantine`, `uploads`, `log`, `lake`, `customer store`, `curated`, `marts`. */
  readonly store: string;
  readonly fault: "missing" | "doubled" | "unknown" | "differs" | "damaged";
  readonly receiptId?: string;
  readonly eventId?: string;
  readonly customerKey?: string;
  /** The producer's order id under its source, as `source/order`. */
  readonly order?: string;
  /** One sentence. */
  readonly detail: string;
}

export interface Account {
  /** RFC 3339. */
  readonly takenAt: string;
  /** The log's head, and what of it is scored and landed. */
  readonly log: { readonly seq: number; readonly events: number; readonly scored: number; readonly landed: number };
  readonly lines: readonly AccountLine[];
  /** At most `MOST_FINDINGS` of each line. */
  readonly findings: readonly Finding[];
  /** Of all lines, those that are not listed included. */
  readonly faults: number;
  readonly balanced: boolean;
}

export const MOST_FINDINGS = 1_000;

export class AccountBook {
  readonly #lines: AccountLine[] = [];
  readonly #findings: Finding[] = [];
  readonly #counts = new Map<string, number>();
  #faults = 0;

  line(line: AccountLine): void {
    this.#lines.push(line);
  }

  find(finding: Finding): void {
    this.#faults++;
    const count = (this.#counts.get(finding.line) ?? 0) + 1;
    this.#counts.set(finding.line, count);
    if (count <= MOST_FINDINGS) this.#findings.push(finding);
  }

  account(takenAt: string, log: Account["log"]): Account {
    const even = this.#lines.every(({ left, right, note }) => note !== undefined || left[1] === right[1]);
    return {
      takenAt,
      log,
      lines: this.#lines,
      findings: this.#findings,
      faults: this.#faults,
      balanced: even && this.#faults === 0,
    };
  }
}

/** `source␟order` as a person reads it. */
export const shownOrder = (orderKey: string): string => orderKey.replaceAll("\u001f", "/");
