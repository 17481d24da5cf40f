/**
 * Whether landing has caught up with the stream: what the ledger says was appended, against the receipt numbers that are
 * in `raw_events`. Both know the instant of receipt, so the same receipts are counted on both sides.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { paginateQuery } from "@aws-sdk/client-dynamodb";
import type { Arrivals } from "../batch-ports.ts";
import type { QueryEngine } from "../ports.ts";
import { instantKey, number, text } from "./dynamo.ts";
import { calling, mapLimit } from "./errors.ts";
import { SHARDS } from "./ledger.ts";
import { newestIndex } from "./tables.ts";

/** What lies longer on the stream than it keeps records has landed, or never will. */
const LOOK_BACK_MS = 7 * 86_400_000;

/** Uploads whose parts are read at once. */
const UPLOADS_AT_ONCE = 8;

export class AthenaArrivals implements Arrivals {
  readonly #client: DynamoDBClient;
  readonly #ledger: string;
  readonly #queries: QueryEngine;

  constructor(client: DynamoDBClient, ledgerTable: string, queries: QueryEngine) {
    this.#client = client;
    this.#ledger = ledgerTable;
    this.#queries = queries;
  }

  async missing(appendedBeforeMs: number): Promise<number> {
    const fromMs = appendedBeforeMs - LOOK_BACK_MS;
    const perShard = await Promise.all(SHARDS.map((shard) => this.#appended(shard, fromMs, appendedBeforeMs)));
    const appended = perShard.reduce((sum, events) => sum + events, 0);
    if (appended === 0) return 0;
    return Math.max(0, appended - (await this.#landed(fromMs, appendedBeforeMs)));
  }

  /** Events of the receipts of one shard. */
  async #appended(shard: string, fromMs: number, beforeMs: number): Promise<number> {
    let events = 0;
    const uploads: string[] = [];
    const pages = paginateQuery(
      { client: this.#client },
      {
        TableName: this.#ledger,
        IndexName: newestIndex.name,
        KeyConditionExpression: "#shard = :shard AND #at BETWEEN :from AND :before",
        ProjectionExpression: "pk, #events, #channel",
        ExpressionAttributeNames: { "#shard": "shard", "#at": "at", "#events": "events", "#channel": "channel" },
        ExpressionAttributeValues: {
          ":shard": { S: shard },
          ":from": { S: instantKey(fromMs, "") },
          // The keys of the instant before: those of the instant itself sort after it.
          ":before": { S: instantKey(beforeMs, "") },
        },
      },
    )[Symbol.asyncIterator]();
    for (;;) {
      const page = await calling("counting what was appended", () => pages.next());
      if (page.done === true) break;
      for (const item of page.value.Items ?? [])
        if (text(item, "channel") === "upload") uploads.push(text(item, "pk"));
        else events += number(item, "events");
    }
    // Only the first part of an upload stands in the index.
    const ofUploads = await mapLimit(uploads, UPLOADS_AT_ONCE, (receiptId) => this.#eventsOf(receiptId));
    return ofUploads.reduce((sum, each) => sum + each, events);
  }

  async #eventsOf(receiptId: string): Promise<number> {
    let events = 0;
    const pages = paginateQuery(
      { client: this.#client },
      {
        TableName: this.#ledger,
        KeyConditionExpression: "pk = :receipt",
        ExpressionAttributeValues: { ":receipt": { S: receiptId } },
        ConsistentRead: true,
      },
    )[Symbol.asyncIterator]();
    for (;;) {
      const page = await calling("counting an upload", () => pages.next());
      if (page.done === true) return events;
      for (const item of page.value.Items ?? []) events += number(item, "events");
    }
  }

  async #landed(fromMs: number, beforeMs: number): Promise<number> {
    const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
    const instant = (ms: number): string =>
      `TIMESTAMP '${new Date(ms).toISOString().replace("T", " ").replace("Z", "")}'`;
    const { rows } = await this.#queries.query(
      `SELECT count(*) FROM (
         SELECT DISTINCT receipt_id, receipt_number FROM raw_events
         WHERE dt >= '${day(fromMs)}' AND received_at >= ${instant(fromMs)} AND received_at < ${instant(beforeMs)}
       ) AS landed`,
    );
    return Number(rows[0]?.[0] ?? 0);
  }
}
