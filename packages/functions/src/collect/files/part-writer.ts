/** Gathers what one part of an upload makes durable, appends it, and counts its rows. */
import type { UnnumberedEvent } from "@ebb/core/files/file-orders";
import { customerErased } from "@ebb/core/erasure";
import { STREAM_SCHEMA_VERSION } from "@ebb/core/kinds";
import type { RateTable } from "@ebb/core/money";
import type { Refusal } from "@ebb/core/reasons";
import type { EncodedEvent, QuarantinedItem } from "@ebb/ports";
import { mentionsErased } from "../erased-originals.ts";
import type { FileShape } from "./file-shape.ts";
import type { PartSums } from "./part-sums.ts";
import type { Place } from "./spool.ts";
import type { UploadRun } from "./upload-run.ts";

/** An event as JSON in two pieces, between which it gets the number in its receipt when it is appended. */
export interface UnnumberedJson {
  readonly eventId: string;
  readonly partitionKey: string;
  /** Its members but for its lines. */
  readonly head: string;
  /** From its lines on: they come last, where the score stage leaves them unread. */
  readonly rest: string;
}

const NOTHING = new Uint8Array();

/** Parts of one partition are numbered from here; a part never has fewer than some thousand rows, but the last. */
const PARTS_A_PARTITION = 100_000;

export class PartWriter {
  readonly #run: UploadRun;
  readonly #shape: FileShape;
  readonly #part: number;
  readonly #refundPrefix: string | undefined;
  readonly eventContext: { source: string; uploadId: string; receivedAtMs: number; rates: RateTable };
  readonly #events: UnnumberedJson[] = [];
  readonly #quarantined: QuarantinedItem[] = [];
  #accepted = 0;
  #duplicate = 0;
  #conflicting = 0;

  constructor(run: UploadRun, shape: FileShape, partition: number, part: number) {
    this.#run = run;
    this.#shape = shape;
    this.#part = partition * PARTS_A_PARTITION + part;
    const { upload, ports } = run;
    this.#refundPrefix = run.rowContext(shape).layout.refundPrefix;
    this.eventContext = {
      source: upload.source,
      uploadId: upload.uploadId,
      receivedAtMs: upload.createdAtMs,
      rates: ports.settings.rates,
    };
  }

  isRefund(orderId: string): boolean {
    return this.#refundPrefix !== undefined && orderId.startsWith(this.#refundPrefix);
  }

  /** @param linesJson JSON texts of lines between commas, where the event itself has none */
  encode(event: UnnumberedEvent, linesJson = ""): UnnumberedJson {
    return {
      eventId: event.event_id,
      partitionKey: event.customer_key ?? event.anonymous_key ?? event.event_id,
      head: JSON.stringify(event).slice(0, -1),
      rest: linesJson === "" ? "}" : `,"lines":[${linesJson}]}`,
    };
  }

  /** How many events it holds. */
  get events(): number {
    return this.#events.length;
  }

  add(event: UnnumberedJson): void {
    this.#events.push(event);
  }

  count(accepted: number, duplicate: number): void {
    this.#accepted += accepted;
    this.#duplicate += duplicate;
  }

  /** A row with the id of one before it. */
  countKnown(says: "the same" | "something else"): void {
    this.#duplicate++;
    if (says === "something else") this.#conflicting++;
  }

  /** Rows of erased people are counted and their bytes not kept. */
  quarantine(place: Place, refusal: Refusal): void {
    const { upload, ports, erased } = this.#run;
    const whole = refusal === customerErased ? NOTHING : this.#original(place);
    const original = mentionsErased(whole, erased, ports.pseudonyms) ? NOTHING : whole;
    this.#quarantined.push({
      ...refusal,
      receiptId: upload.uploadId,
      rowNumber: place.rowNumber,
      source: upload.source,
      original,
      schemaVersion: STREAM_SCHEMA_VERSION,
      quarantinedAtMs: ports.now(),
    });
  }

  /** The bytes as the file had them: what was read as UTF-8 out of UTF-16 goes back. */
  #original({ bytes, start, end }: Place): Buffer {
    const { encoding } = this.#shape;
    if (encoding !== "utf-16le" && encoding !== "utf-16be") return Buffer.from(bytes.subarray(start, end));
    const wide = Buffer.from(bytes.toString("utf8", start, end), "utf16le");
    return encoding === "utf-16be" ? wide.swap16() : wide;
  }

  /**
   * Makes the part durable. Rows that are events of their own count as accepted or duplicate by what the log says.
   * @param firstEvent events of the upload in the parts before this one
   * @throws TransientError
   */
  async append(firstEvent: number, rowsAreEvents: boolean): Promise<PartSums> {
    const { upload, ports } = this.#run;
    await ports.orderBook.settled(); // no event of an order that the book may yet forget
    const events = this.#events.map(({ eventId, partitionKey, head, rest }, index): EncodedEvent => ({
      eventId,
      partitionKey,
      json: `${head},"receipt_number":${firstEvent + index}${rest}`,
    }));
    const own = rowsAreEvents ? events.length : 0;
    const quarantined = this.#quarantined.length;
    const received = this.#accepted + this.#duplicate + own + quarantined;
    const { appended, duplicates } = await ports.log.append(
      {
        receiptId: upload.uploadId,
        part: this.#part,
        channel: "upload",
        source: upload.source,
        received,
        quarantined,
        receivedAtMs: upload.createdAtMs,
      },
      events,
      this.#quarantined,
    );
    const known = rowsAreEvents ? (duplicates?.length ?? 0) : 0;
    return {
      received,
      accepted: this.#accepted + own - known,
      duplicate: this.#duplicate + known,
      conflicting: this.#conflicting,
      quarantined,
      events: appended,
      settled: !rowsAreEvents || duplicates !== undefined,
      reasons: this.#quarantined.reduce<Record<string, number>>((counts, { code }) => {
        counts[code] = (counts[code] ?? 0) + 1;
        return counts;
      }, {}),
    };
  }
}
