/** The ports of a load over a folder: real stores of the embedded home, and a log that remembers what was appended. */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { randomUUID } from "node:crypto";
import { Pseudonymizer } from "@ebb/core/ids";
import type { StreamEvent } from "@ebb/core/stream-event";
import type { SourcePorts } from "@ebb/functions/collect/sources/load";
import type { SuppressionList } from "@ebb/ports/erasure-ports";
import { EmbeddedOrderBook } from "@ebb/ports/embedded/order-book";
import { EmbeddedProfileStore } from "@ebb/ports/embedded/profile-store";
import { EmbeddedSourceStore } from "@ebb/ports/embedded/source-store";
import { EmbeddedSourceTables } from "@ebb/ports/embedded/source-tables";

export const SECRET = "a secret of thirty-two characters";

export interface TestPorts extends SourcePorts {
  readonly folder: string;
  /** First arrivals, as on the log. */
  readonly events: StreamEvent[];
  readonly refused: { readonly code: string; readonly field?: string | undefined }[];
  /** Events that were appended again. */
  readonly repeated: () => number;
  readonly counted: Map<string, number>;
  readonly sources: EmbeddedSourceStore;
  readonly sourceTables: EmbeddedSourceTables;
  close(): Promise<void>;
}

export const openPorts = async (
  folder: string,
  options: { readonly keepEvents?: boolean; now?: () => number } = {},
): Promise<TestPorts> => {
  mkdirSync(folder, { recursive: true });
  const now = options.now ?? Date.now;
  const orderBook = new EmbeddedOrderBook(folder);
  const profiles = new EmbeddedProfileStore(folder);
  const sources = new EmbeddedSourceStore(folder);
  const sourceTables = await EmbeddedSourceTables.open({ lakeFolder: path.join(folder, "lake"), now });
  const events: StreamEvent[] = [];
  const refused: TestPorts["refused"] = [];
  const seen = new Set<string>();
  const counted = new Map<string, number>();
  let repeated = 0;
  return {
    folder,
    events,
    refused,
    repeated: () => repeated,
    counted,
    now,
    newId: (prefix) => `${prefix}_${randomUUID().replaceAll("-", "")}`,
    pseudonyms: new Pseudonymizer(SECRET),
    settings: {
      rates: { reportingCurrency: "EUR", rates: {} },
      corsOrigins: ["*"],
      hookSecrets: {},
      allowedProperties: [],
      allowedTraits: [],
    },
    log: {
      append: async (part, encoded, quarantined) => {
        if (part.received !== encoded.length + quarantined.length) throw new RangeError("the ledger does not balance");
        refused.push(...quarantined);
        for (const { eventId, json } of encoded) {
          if (seen.has(eventId)) repeated++;
          else if (options.keepEvents !== false) events.push(JSON.parse(json) as StreamEvent);
          seen.add(eventId);
        }
        return { appended: encoded.length, duplicates: undefined };
      },
    },
    suppressions: { current: () => ({ size: 0, has: () => false }) as unknown as SuppressionList },
    orderBook,
    profiles,
    sources,
    sourceTables,
    metrics: { count: (name, value) => void counted.set(name, (counted.get(name) ?? 0) + value) },
    close: async () => {
      await sourceTables.close();
      sources.close();
      profiles.close();
      orderBook.close();
    },
  };
};
