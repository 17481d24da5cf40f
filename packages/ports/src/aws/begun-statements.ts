/**
 * The statements of one load's commit. Each is begun once and noted down with Athena's id for it, so that one that takes
 * longer than a function may run is waited for by the function's next run, and its answer is read again by every later one.
 * The same statement is begun under the same token: Athena answers a stop between beginning and noting with the id of then.
 */
import { digest } from "@ebb/core/ids";
import { readJson } from "../json-objects.ts";
import type { ObjectStore, QueryResult } from "../ports.ts";
import { type CommittedTable, StatementUnderWay } from "../source-ports.ts";

/** Statements that may take longer than who begins them waits. */
export interface LongStatements {
  /** Answers the statement's id; for a token that was used before, that of then. @param token 32 to 128 characters */
  begin(sql: string, token: string): Promise<string>;
  /** `undefined` while it runs after `waitMs`; it runs on. @throws QueryFailed, TransientError when it failed */
  answer(id: string, waitMs: number): Promise<QueryResult | undefined>;
}

export interface BegunStatementsParts {
  readonly statements: LongStatements;
  readonly objects: Pick<ObjectStore, "put" | "get" | "delete">;
}

/** An object of JSON; one of another load means nothing. */
interface Notes {
  readonly load: string;
  /** What the commit found before it began to write: made again after a stop, it would find itself. */
  readonly committed?: readonly CommittedTable[];
  /** By the digest of the statement: how often it failed, and its id since. */
  readonly begun: Readonly<Record<string, { readonly failures: number; readonly id?: string }>>;
}

export class BegunStatements {
  readonly #parts: BegunStatementsParts;
  readonly #key: string;
  readonly #remainingMs: () => number;
  #notes: Notes;

  /** @param key of the object that holds the notes */
  static async of(
    parts: BegunStatementsParts,
    key: string,
    load: string,
    remainingMs: () => number,
  ): Promise<BegunStatements> {
    const known = await readJson<Notes>(parts.objects, key);
    return new BegunStatements(parts, key, known?.load === load ? known : { load, begun: {} }, remainingMs);
  }

  private constructor(parts: BegunStatementsParts, key: string, notes: Notes, remainingMs: () => number) {
    this.#parts = parts;
    this.#key = key;
    this.#notes = notes;
    this.#remainingMs = remainingMs;
  }

  get committed(): readonly CommittedTable[] | undefined {
    return this.#notes.committed;
  }

  async found(committed: readonly CommittedTable[]): Promise<void> {
    await this.#note({ ...this.#notes, committed });
  }

  /** @throws StatementUnderWay, QueryFailed, TransientError */
  async ask(sql: string): Promise<QueryResult> {
    const { statements } = this.#parts;
    const name = digest(sql);
    const { failures = 0, id: known } = this.#notes.begun[name] ?? {};
    const id = known ?? (await statements.begin(sql, `ebb-${digest(this.#notes.load, name, failures)}`));
    if (known === undefined) await this.#begun(name, { failures, id });
    let answer: QueryResult | undefined;
    try {
      answer = await statements.answer(id, Math.max(0, this.#remainingMs()));
    } catch (error) {
      // Whoever tries again begins another one: under the same token Athena would answer the one that failed.
      await this.#begun(name, { failures: failures + 1 });
      throw error;
    }
    if (answer === undefined) throw new StatementUnderWay(`the statement ${id} of Athena's goes on`);
    return answer;
  }

  async forget(): Promise<void> {
    await this.#parts.objects.delete([this.#key]);
  }

  async #begun(name: string, entry: Notes["begun"][string]): Promise<void> {
    await this.#note({ ...this.#notes, begun: { ...this.#notes.begun, [name]: entry } });
  }

  async #note(notes: Notes): Promise<void> {
    await this.#parts.objects.put(this.#key, Buffer.from(JSON.stringify(notes)));
    this.#notes = notes;
  }
}
