/**
 * Profiles in a DynamoDB table of their own, because they are personal. Each trait keeps the time it was set, so that
 * profiles may come in any order and any number of times.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import type { CustomerKey } from "@ebb/core/ids";
import type { Profile, ProfileStore } from "../ports.ts";
import { TransientError } from "../ports.ts";
import type { Item } from "./dynamo.ts";
import { WIDTH, batchGet, isConditionFailed, number, text } from "./dynamo.ts";
import { ATTEMPTS, backOff, calling, mapLimit } from "./errors.ts";

/** Trait → its value and the time of the profile that set it, epoch milliseconds. */
type TimedTraits = Record<string, readonly [value: unknown, setAtMs: number]>;

interface Stored {
  readonly customerId: string;
  readonly traits: TimedTraits;
  readonly updatedAtMs: number;
  /** 0 = not stored. */
  readonly version: number;
}

const storedOf = (item: Item | undefined): Stored =>
  item === undefined
    ? { customerId: "", traits: {}, updatedAtMs: -Infinity, version: 0 }
    : {
        customerId: text(item, "customerId"),
        traits: JSON.parse(text(item, "traits")) as TimedTraits,
        updatedAtMs: number(item, "updatedAtMs"),
        version: number(item, "version"),
      };

const merge = (stored: Stored, profile: Profile): Stored => {
  // Most events name a known customer and tell nothing of it.
  if (stored.version > 0 && Object.keys(profile.traits).length === 0) return stored;
  // A null prototype: a producer may name a trait `__proto__`.
  const traits: TimedTraits = Object.assign(Object.create(null) as TimedTraits, stored.traits);
  for (const [name, value] of Object.entries(profile.traits)) {
    const known = traits[name];
    if (known === undefined || profile.updatedAtMs >= known[1]) traits[name] = [value, profile.updatedAtMs];
  }
  return {
    customerId: profile.updatedAtMs >= stored.updatedAtMs ? profile.customerId : stored.customerId,
    traits,
    updatedAtMs: Math.max(stored.updatedAtMs, profile.updatedAtMs),
    version: stored.version,
  };
};

/** Keys known to be stored, so that an order of a known customer costs neither read nor write. 50,000 are about 5 MB. */
const KNOWN_KEYS = 50_000;
/** An erasure takes keys away behind the back of a warm function: what it knows is looked at again after this. */
const KNOWN_MS = 60_000;

export class DynamoProfileStore implements ProfileStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  /** Until when each is known. */
  readonly #known = new Map<CustomerKey, number>();
  readonly #now: () => number;

  constructor(client: DynamoDBClient, table: string, now: () => number) {
    this.#client = client;
    this.#table = table;
    this.#now = now;
  }

  async put(profiles: readonly Profile[]): Promise<void> {
    const nowMs = this.#now();
    const news = profiles.filter(
      ({ customerKey, traits }) => nowMs >= (this.#known.get(customerKey) ?? 0) || Object.keys(traits).length > 0,
    );
    const byCustomer = Map.groupBy(news, (profile) => profile.customerKey);
    const keys = [...byCustomer.keys()].map((key): Item => ({ pk: { S: key } }));
    const stored = new Map(
      (await batchGet(this.#client, this.#table, keys)).map((item) => [text(item, "pk"), item] as const),
    );
    await mapLimit([...byCustomer], WIDTH, ([customerKey, own]) =>
      this.#merge(customerKey, own, stored.get(customerKey)),
    );
    if (this.#known.size + byCustomer.size > KNOWN_KEYS) this.#known.clear();
    for (const customerKey of byCustomer.keys()) this.#known.set(customerKey, nowMs + KNOWN_MS);
  }

  async get(customerKey: CustomerKey): Promise<Profile | undefined> {
    const { Item } = await calling("reading a profile", () =>
      this.#client.send(
        new GetItemCommand({ TableName: this.#table, Key: { pk: { S: customerKey } }, ConsistentRead: true }),
      ),
    );
    if (Item === undefined) return undefined;
    const { customerId, traits, updatedAtMs } = storedOf(Item);
    return {
      customerKey,
      customerId,
      traits: Object.fromEntries(Object.entries(traits).map(([name, [value]]) => [name, value])),
      updatedAtMs,
    };
  }

  async #merge(customerKey: CustomerKey, profiles: readonly Profile[], item: Item | undefined): Promise<void> {
    let found = item;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const before = storedOf(found);
      const after = profiles.reduce(merge, before);
      // A retry brings nothing new: no write for it.
      if (before === after || sameProfile(before, after)) return;
      if (await this.#write(customerKey, after)) return;
      await backOff(attempt);
      [found] = await batchGet(this.#client, this.#table, [{ pk: { S: customerKey } }]);
    }
    throw new TransientError("a profile kept changing");
  }

  async #write(customerKey: CustomerKey, next: Stored): Promise<boolean> {
    try {
      await calling("writing a profile", () =>
        this.#client.send(
          new PutItemCommand({
            TableName: this.#table,
            Item: {
              pk: { S: customerKey },
              customerId: { S: next.customerId },
              traits: { S: JSON.stringify(next.traits) },
              updatedAtMs: { N: String(next.updatedAtMs) },
              version: { N: String(next.version + 1) },
            },
            ...(next.version === 0
              ? { ConditionExpression: "attribute_not_exists(pk)" }
              : {
                  ConditionExpression: "version = :read",
                  ExpressionAttributeValues: { ":read": { N: String(next.version) } },
                }),
          }),
        ),
      );
      return true;
    } catch (error) {
      if (isConditionFailed(error)) return false;
      throw error;
    }
  }
}

/** Times count too: they decide later merges. */
const sameProfile = (a: Stored, b: Stored): boolean =>
  a.version > 0 &&
  a.customerId === b.customerId &&
  a.updatedAtMs === b.updatedAtMs &&
  JSON.stringify(a.traits) === JSON.stringify(b.traits);
