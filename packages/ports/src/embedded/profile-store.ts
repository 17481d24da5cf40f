/** profiles.db: who a customer is. Personal data lies in this file alone; only its owner may read it. */
import path from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { CustomerKey } from "@ebb/core/ids";
import type { Profile, ProfileStore } from "../ports.ts";
import { GroupCommit } from "./group-commit.ts";
import { openDatabase, portCall } from "./sqlite.ts";

export const profileMigrations: readonly string[] = [
  `
  -- one row a customer; every trait with the time it was set
  CREATE TABLE profiles (
    customer_key TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL,
    traits TEXT NOT NULL,
    updated_at_ms INTEGER NOT NULL
  ) WITHOUT ROWID;
  `,
];

/** Trait → value and the time it was set, epoch milliseconds. */
type StoredTraits = Record<string, [value: unknown, setAtMs: number]>;
interface Row {
  readonly customer_id: string;
  readonly traits: string;
  readonly updated_at_ms: number;
}

/** Keys known to be stored, so that an order of a known customer costs no write. 100,000 keys are about 10 MB. */
const KNOWN_KEYS = 100_000;

export class EmbeddedProfileStore implements ProfileStore {
  readonly #db: DatabaseSync;
  readonly #commits: GroupCommit;
  readonly #select: StatementSync;
  readonly #upsert: StatementSync;
  readonly #known = new Set<CustomerKey>();

  constructor(folder: string) {
    this.#db = openDatabase(path.join(folder, "profiles.db"), {
      migrations: profileMigrations,
      personal: true,
      cacheKib: 4_096,
    });
    this.#commits = new GroupCommit(this.#db);
    this.#select = this.#db.prepare("SELECT customer_id, traits, updated_at_ms FROM profiles WHERE customer_key = ?");
    this.#upsert = this.#db.prepare(
      `INSERT INTO profiles (customer_key, customer_id, traits, updated_at_ms) VALUES (?, ?, ?, ?)
       ON CONFLICT (customer_key) DO UPDATE SET customer_id = excluded.customer_id, traits = excluded.traits,
         updated_at_ms = excluded.updated_at_ms`,
    );
  }

  async put(profiles: readonly Profile[]): Promise<void> {
    const news = profiles.filter(
      (profile) => !this.#known.has(profile.customerKey) || Object.keys(profile.traits).length > 0,
    );
    if (news.length === 0) return;
    await this.#commits.run(() => {
      for (const profile of news) this.#merge(profile);
    });
    if (this.#known.size + news.length > KNOWN_KEYS) this.#known.clear();
    for (const { customerKey } of news) this.#known.add(customerKey);
  }

  #merge(profile: Profile): void {
    const row = this.#select.get(profile.customerKey) as Row | undefined;
    const names = Object.keys(profile.traits);
    if (row !== undefined && names.length === 0) return;
    const stored = row === undefined ? {} : (JSON.parse(row.traits) as StoredTraits);
    const traits = new Map(Object.entries(stored));
    for (const name of names) {
      const old = traits.get(name);
      if (old === undefined || old[1] <= profile.updatedAtMs)
        traits.set(name, [profile.traits[name], profile.updatedAtMs]);
    }
    this.#upsert.run(
      profile.customerKey,
      profile.customerId,
      JSON.stringify(Object.fromEntries(traits)),
      Math.max(profile.updatedAtMs, row?.updated_at_ms ?? 0),
    );
  }

  /** Writes wait until what is answered is called. */
  hold(): () => void {
    return this.#commits.hold();
  }

  /** What another connection has removed is stored again when it comes again. */
  forget(customerKeys: Iterable<CustomerKey>): void {
    for (const customerKey of customerKeys) this.#known.delete(customerKey);
  }

  async get(customerKey: CustomerKey): Promise<Profile | undefined> {
    const row = portCall(() => this.#select.get(customerKey)) as Row | undefined;
    if (row === undefined) return undefined;
    const traits = Object.entries(JSON.parse(row.traits) as StoredTraits).map(
      ([name, [value]]) => [name, value] as const,
    );
    return {
      customerKey,
      customerId: row.customer_id,
      traits: Object.fromEntries(traits),
      updatedAtMs: row.updated_at_ms,
    };
  }

  close(): void {
    this.#commits.flush();
    this.#db.close();
  }
}
