/** The embedded home as the SDKs meet it, and what came of what they sent: read from its log, its ledger, its API. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Pseudonymizer } from "@ebb/core/ids";
import type { StreamEvent } from "@ebb/core/stream-event";
import { startHome } from "@ebb/home/home";
import type { Profile } from "@ebb/ports";
import { openSecrets } from "@ebb/ports/embedded/configuration";
import { LogReader } from "@ebb/ports/embedded/log-reader";
import { EmbeddedProfileStore } from "@ebb/ports/embedded/profile-store";

export interface FrontDoor {
  readonly url: string;
  readonly writeKey: string;
  readonly pseudonyms: Pseudonymizer;
  /** The events once there are at least `count` of them since `fresh`, in the order of arrival. */
  arrived(count: number): Promise<StreamEvent[]>;
  /** Counts over all requests since `fresh`, once at least `received` events were handed over. */
  counts(received: number): Promise<{ received: number; accepted: number; duplicate: number; quarantined: number }>;
  /** What the profile store knows of a customer. */
  profile(customerId: string): Promise<Profile | undefined>;
  /** The customer as the API tells it, once every stage has caught up. */
  customer(customerId: string): Promise<Record<string, unknown>>;
  /** From here on only what comes now counts. */
  fresh(): Promise<void>;
  close(): Promise<void>;
}

/** What there is once it is enough, or after half a minute: the assertion that follows says what is missing. */
const until = async <Value>(read: () => Value | Promise<Value>, enough: (value: Value) => boolean): Promise<Value> => {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const value = await read();
    if (enough(value) || Date.now() >= deadline) return value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

export const openFrontDoor = async (): Promise<FrontDoor> => {
  const folder = await mkdtemp(path.join(tmpdir(), "ebb-sdks-"));
  const home = await startHome({ folder, port: 0, allowedProperties: ["plan"], allowedTraits: ["loyalty"] });
  const log = new LogReader(folder);
  const ledger = log.ledger();
  let seq = 0;
  let since = new Set<string>();
  const receipts = async () => (await ledger.list({ limit: 1_000 })).lines;
  const events = (): StreamEvent[] =>
    log
      .read(seq, 10_000, 1e9)
      .flatMap((record) => Buffer.from(record.data).toString().split("\n"))
      .map((line) => JSON.parse(line) as StreamEvent);
  const counted = async () => {
    const sums = { received: 0, accepted: 0, duplicate: 0, quarantined: 0 };
    for (const line of await receipts()) {
      if (since.has(line.receiptId)) continue;
      sums.received += line.received;
      sums.accepted += line.accepted ?? 0;
      sums.duplicate += line.duplicate ?? 0;
      sums.quarantined += line.quarantined;
    }
    return sums;
  };
  return {
    url: home.url,
    writeKey: home.writeKey,
    pseudonyms: new Pseudonymizer(openSecrets(folder).customerSecret),
    arrived: (count) => until(events, (found) => found.length >= count),
    counts: (received) => until(counted, (sums) => sums.received >= received),
    profile: async (customerId) => {
      const profiles = new EmbeddedProfileStore(folder);
      try {
        return await profiles.get(new Pseudonymizer(openSecrets(folder).customerSecret).customer(customerId));
      } finally {
        profiles.close();
      }
    },
    customer: async (customerId) => {
      await home.settled();
      const answer = await fetch(`${home.url}/v1/customers/${customerId}`, {
        headers: { authorization: `Bearer ${home.readKey}` },
      });
      return (await answer.json()) as Record<string, unknown>;
    },
    fresh: async () => {
      seq = log.head().seq;
      since = new Set((await receipts()).map((line) => line.receiptId));
    },
    close: async () => {
      log.close();
      await home.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
