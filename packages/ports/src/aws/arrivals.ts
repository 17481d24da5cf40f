/**
 * Whether landing has caught up with the stream: what the ledger says was appended, against the receipt numbers that are
 * in `raw_events`, or that landing has put into quarantine, whole, because they could not land. All know the instant of
 * receipt, so the same receipts are counted on both sides.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { paginateQuery } from "@aws-sdk/client-dynamodb";
import { dayOf, textLiteral, timestampLiteral } from "@ebb/lake/batch/literals";
import type { Arrivals } from "../batch-ports.ts";
import type { QueryEngine } from "../ports.ts";
import { instantKey, number, text } from "./dynamo.ts";
import { calling, mapLimit } from "./errors.ts";
import type { LandingQuarantine, Settled } from "./landing-quarantine.ts";
import { SHARDS } from "./ledger.ts";
import { newestIndex } from "./tables.ts";

/** What lies longer on the stream than it keeps records has landed, or never will. */
const LOOK_BACK_MS = 7 * 86_400_000;

/** Uploads whose parts are read at once. */
const UPLOADS_AT_ONCE = 8;
/** Some 70 bytes each; Athena takes statements of 262,144. */
const NAMED_AT_ONCE = 2_000;

export class AthenaArrivals implements Arrivals {
  readonly #client: DynamoDBClient;
  readonly #ledger: string;
  readonly #queries: QueryEngine;
  readonly #quarantine: LandingQuarantine;

  constructor(client: DynamoDBClient, ledgerTable: string, queries: QueryEngine, quarantine: LandingQuarantine) {
    this.#client = client;
    this.#ledger = ledgerTable;
    this.#queries = queries;
    this.#quarantine = quarantine;
  }

  async missing(appendedBeforeMs: number): Promise<number> {
    const fromMs = appendedBeforeMs - LOOK_BACK_MS;
    const perShard = await Promise.all(SHARDS.map((shard) => this.#appended(shard, fromMs, appendedBeforeMs)));
    const appended = perShard.reduce((sum, events) => sum + events, 0);
    if (appended === 0) return 0;
    const missing = appended - (await this.#landed(fromMs, appendedBeforeMs));
    if (missing <= 0) return 0;
    const refused = await this.#quarantine.settled(fromMs, appendedBeforeMs);
    // Landing happens at least once: what is in quarantine may have landed all the same, and counts once.
    return Math.max(0, missing - refused.length + (await this.#landedOf(refused, fromMs, appendedBeforeMs)));
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
    return this.#counted(`SELECT count(*) FROM (${receiptsSql(fromMs, beforeMs)}) AS landed`);
  }

  /** How many of these receipt numbers have landed too. */
  async #landedOf(refused: readonly Settled[], fromMs: number, beforeMs: number): Promise<number> {
    let landed = 0;
    for (let from = 0; from < refused.length; from += NAMED_AT_ONCE) {
      const named = refused
        .slice(from, from + NAMED_AT_ONCE)
        .map(({ receiptId, receiptNumber }) => `(${textLiteral(receiptId)}, ${receiptNumber})`);
      landed += await this.#counted(
        `SELECT count(*) FROM (${receiptsSql(fromMs, beforeMs)}) AS landed
         JOIN (VALUES ${named.join(", ")}) AS named (named_receipt, named_number)
           ON named_receipt = landed.receipt_id AND named_number = landed.receipt_number`,
      );
    }
    return landed;
  }

  async #counted(sql: string): Promise<number> {
    const { rows } = await this.#queries.query(sql);
    return Number(rows[0]?.[0] ?? 0);
  }
}

const receiptsSql = (fromMs: number, beforeMs: number): string => `
  SELECT DISTINCT receipt_id, receipt_number FROM raw_events
  WHERE dt >= '${dayOf(fromMs)}'
    AND received_at >= ${timestampLiteral(fromMs)} AND received_at < ${timestampLiteral(beforeMs)}`;
