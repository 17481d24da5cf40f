/** The ports that the collect stage touches, in memory: what it appended, quarantined and told the profile store. */
import { Pseudonymizer } from "@ebb/core/ids";
import { readScopes } from "@ebb/core/scopes";
import type { StreamEvent } from "@ebb/core/stream-event";
import type { EventPorts } from "@ebb/functions/collect/events";
import type { Profile, QuarantinedItem, ReceiptPart, Settings } from "@ebb/ports";
import type { MetricName } from "@ebb/ports/metric-names";
import { MemorySuppressions } from "@ebb/ports/suppression-list";

export const WRITE_KEY = "wk_test_0123456789abcdef";
export const READ_KEY = "rk_test_0123456789abcdef";
export const SOURCE = "shop";
export const SECRET = "a secret of thirty-two characters";

export interface MemoryPorts extends EventPorts {
  /** First arrival of each event id, as on the embedded log. */
  readonly events: StreamEvent[];
  /** The JSON of every event that was handed to the log, duplicates included. */
  readonly texts: string[];
  readonly parts: ReceiptPart[];
  readonly quarantined: QuarantinedItem[];
  readonly put: Profile[];
  /** Every count, in order: the name, the value and the channel. */
  readonly counted: (readonly [MetricName, number, string | undefined])[];
  /** Moves the clock. */
  at(ms: number): void;
  /** What the next append throws. */
  failNext(error: Error): void;
}

export const memoryPorts = (options: { nowMs?: number; settings?: Partial<Settings> } = {}): MemoryPorts => {
  let nowMs = options.nowMs;
  let ids = 0;
  let failure: Error | undefined;
  const seen = new Set<string>();
  const events: StreamEvent[] = [];
  const texts: string[] = [];
  const parts: ReceiptPart[] = [];
  const quarantined: QuarantinedItem[] = [];
  const put: Profile[] = [];
  const counted: MemoryPorts["counted"] = [];
  return {
    events,
    texts,
    parts,
    quarantined,
    put,
    counted,
    at: (ms) => void (nowMs = ms),
    failNext: (error) => void (failure = error),
    now: () => nowMs ?? Date.now(),
    newId: (prefix) => `${prefix}_${String(++ids).padStart(32, "0")}`,
    pseudonyms: new Pseudonymizer(SECRET),
    settings: {
      rates: { reportingCurrency: "EUR", rates: { USD: { "2000-01-01": 0.9 } } },
      corsOrigins: ["*"],
      hookSecrets: { twitter: "hook secret", generic: "another secret" },
      allowedProperties: ["plan"],
      allowedTraits: ["loyalty"],
      ...options.settings,
    },
    keys: {
      find: async (presented) =>
        presented === WRITE_KEY
          ? { id: "write", scopes: ["write"], source: SOURCE }
          : presented === READ_KEY
            ? { id: "read", scopes: readScopes, source: SOURCE }
            : undefined,
    },
    log: {
      append: async (part, encoded, refused) => {
        if (failure !== undefined) {
          const error = failure;
          failure = undefined;
          throw error;
        }
        parts.push(part);
        quarantined.push(...refused);
        const duplicates: string[] = [];
        for (const event of encoded) {
          texts.push(event.json);
          if (seen.has(event.eventId)) duplicates.push(event.eventId);
          else events.push(JSON.parse(event.json) as StreamEvent);
          seen.add(event.eventId);
        }
        return { appended: encoded.length, duplicates };
      },
    },
    profiles: {
      put: async (profiles) => void put.push(...profiles),
      get: async (customerKey) => put.findLast((profile) => profile.customerKey === customerKey),
    },
    suppressions: new MemorySuppressions("a second secret of thirty-two and more characters"),
    metrics: { count: (name, value, dimensions) => void counted.push([name, value, dimensions?.["channel"]]) },
  };
};
