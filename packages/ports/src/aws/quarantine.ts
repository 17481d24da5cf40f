/**
 * Quarantine in S3, as JSON Lines that a person can read: `quarantine/<receipt>/<first row>-<last row>-<part>.jsonl`.
 * Receipt ids made in AWS begin with their time, so the listing of the bucket is in the order of receipt; the row span
 * in the name lets a page start where it must without reading what lies before it.
 */
import type { S3Client } from "@aws-sdk/client-s3";
import { GetObjectCommand, NoSuchKey, PutObjectCommand, paginateListObjectsV2 } from "@aws-sdk/client-s3";
import { z } from "zod";
import type { ReceiptId } from "@ebb/core/ids";
import { digest } from "@ebb/core/ids";
import { reasonCodes } from "@ebb/core/reasons";
import type { Quarantine, QuarantinedItem, ReceiptPart, ReplayMark, Replayed } from "../ports.ts";
import { InvalidCursor } from "../ports.ts";
import { calling, mapLimit } from "./errors.ts";

const ROOT = "quarantine/";
const WIDTH = 8;

const StoredItem = z
  .object({
    receipt: z.string(),
    row: z.int(),
    source: z.string(),
    code: z.enum(reasonCodes),
    field: z.string().optional(),
    message: z.string(),
    schemaVersion: z.int(),
    quarantinedAt: z.iso.datetime(),
    originalBase64: z.base64(),
  })
  .transform((line): QuarantinedItem => ({
    receiptId: line.receipt as ReceiptId,
    rowNumber: line.row,
    source: line.source,
    code: line.code,
    ...(line.field === undefined ? {} : { field: line.field }),
    message: line.message,
    schemaVersion: line.schemaVersion,
    quarantinedAtMs: Date.parse(line.quarantinedAt),
    original: Uint8Array.from(Buffer.from(line.originalBase64, "base64")),
  }));

const lineOf = (item: QuarantinedItem): z.input<typeof StoredItem> => ({
  receipt: item.receiptId,
  row: item.rowNumber,
  source: item.source,
  code: item.code,
  ...(item.field === undefined ? {} : { field: item.field }),
  message: item.message,
  schemaVersion: item.schemaVersion,
  quarantinedAt: new Date(item.quarantinedAtMs).toISOString(),
  originalBase64: Buffer.from(item.original).toString("base64"),
});

const StoredMark = z
  .object({ row: z.int(), replay: z.string(), outcome: z.enum(["appended", "refused"]), at: z.iso.datetime() })
  .transform((mark): { rowNumber: number; replayed: Replayed } => ({
    rowNumber: mark.row,
    replayed: { receiptId: mark.replay as ReceiptId, outcome: mark.outcome, atMs: Date.parse(mark.at) },
  }));
type Marks = ReadonlyMap<number, Replayed>;

const byRow = (a: QuarantinedItem, b: QuarantinedItem): number => a.rowNumber - b.rowNumber;
const padded = (row: number): string => String(row).padStart(12, "0");

/** Marks of replays lie beside the items; their names come before those of items in the listing of a receipt. */
const MARKS = /^quarantine\/([^/]+)\/!replayed-[^/]+\.jsonl$/;

/** One object of the listing, as its name tells. */
interface Span {
  readonly kind: "items";
  readonly key: string;
  readonly receiptId: string;
  readonly first: number;
  readonly last: number;
}

interface MarksObject {
  readonly kind: "marks";
  readonly key: string;
  readonly receiptId: string;
}

const NAME = /^quarantine\/([^/]+)\/(\d{12})-(\d{12})-[^/]+\.jsonl$/;
const spanOf = (key: string): Span | undefined => {
  const match = NAME.exec(key);
  return match === null
    ? undefined
    : { kind: "items", key, receiptId: match[1]!, first: Number(match[2]), last: Number(match[3]) };
};

type Position = { readonly receiptId: string; readonly row: number };
const Cursor = z.tuple([z.string(), z.int()]).transform(([receiptId, row]): Position => ({ receiptId, row }));
const readCursor = (cursor: string): Position => {
  try {
    return Cursor.parse(JSON.parse(Buffer.from(cursor, "base64url").toString("utf8")));
  } catch (error) {
    throw new InvalidCursor("the cursor was not handed out here", { cause: error });
  }
};
const writeCursor = ({ receiptId, row }: Position): string =>
  Buffer.from(JSON.stringify([receiptId, row])).toString("base64url");

export class S3Quarantine implements Quarantine {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
  }

  /** The refused items of one part, in one object; putting them again writes the same object. @throws TransientError */
  async putPart(part: Pick<ReceiptPart, "receiptId" | "part">, items: readonly QuarantinedItem[]): Promise<void> {
    if (items.length > 0) await this.#write(part.receiptId, `part${part.part}`, items);
  }

  async put(items: readonly QuarantinedItem[]): Promise<void> {
    const byReceipt = Map.groupBy(items, (item) => item.receiptId);
    await mapLimit([...byReceipt], WIDTH, async ([receiptId, own]) => {
      // Named after the rows it holds: the same items again are the same object.
      await this.#write(receiptId, `set${digest(...own.map((item) => item.rowNumber))}`, own);
    });
  }

  async list(query: {
    receiptId?: ReceiptId | undefined;
    code?: string | undefined;
    sinceMs?: number | undefined;
    open?: boolean | undefined;
    limit: number;
    cursor?: string | undefined;
  }): Promise<{ items: QuarantinedItem[]; cursor?: string }> {
    const items: QuarantinedItem[] = [];
    const after = query.cursor === undefined ? undefined : readCursor(query.cursor);
    for await (const item of this.#items(query.receiptId, after)) {
      if (query.code !== undefined && item.code !== query.code) continue;
      if (query.sinceMs !== undefined && item.quarantinedAtMs < query.sinceMs) continue;
      if (query.open === true && item.replayed !== undefined) continue;
      if (items.length === query.limit) {
        const last = items.at(-1);
        return last === undefined
          ? { items }
          : { items, cursor: writeCursor({ receiptId: last.receiptId, row: last.rowNumber }) };
      }
      items.push(item);
    }
    return { items };
  }

  async counts({ receiptId }: { receiptId?: ReceiptId | undefined }): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for await (const { code } of this.#items(receiptId)) counts[code] = (counts[code] ?? 0) + 1;
    return counts;
  }

  /** One object a receipt and set of rows; the newest of several that name a row stands. @throws TransientError */
  async markReplayed(marks: readonly ReplayMark[]): Promise<void> {
    const byReceipt = Map.groupBy(marks, (mark) => mark.receiptId);
    await mapLimit([...byReceipt], WIDTH, async ([receiptId, own]) => {
      const lines = own.map(({ rowNumber, replayed }) =>
        JSON.stringify({
          row: rowNumber,
          replay: replayed.receiptId,
          outcome: replayed.outcome,
          at: new Date(replayed.atMs).toISOString(),
        } satisfies z.input<typeof StoredMark>),
      );
      await calling("marking quarantine", () =>
        this.#client.send(
          new PutObjectCommand({
            Bucket: this.#bucket,
            Key: `${ROOT}${receiptId}/!replayed-${digest(...lines)}.jsonl`,
            Body: lines.map((line) => `${line}\n`).join(""),
            ContentType: "application/jsonl",
          }),
        ),
      );
    });
  }

  async #write(receiptId: string, name: string, items: readonly QuarantinedItem[]): Promise<void> {
    const sorted = [...items].sort(byRow);
    const span = `${padded(sorted[0]!.rowNumber)}-${padded(sorted.at(-1)!.rowNumber)}`;
    await calling("writing to quarantine", () =>
      this.#client.send(
        new PutObjectCommand({
          Bucket: this.#bucket,
          Key: `${ROOT}${receiptId}/${span}-${name}.jsonl`,
          Body: sorted.map((item) => `${JSON.stringify(lineOf(item))}\n`).join(""),
          ContentType: "application/jsonl",
        }),
      ),
    );
  }

  /** All items after a position, by receipt and row. Objects whose rows overlap are read together; usually none do. */
  async *#items(receiptId?: string, after?: Position): AsyncGenerator<QuarantinedItem> {
    let group: Span[] = [];
    let marks = new Map<number, Replayed>();
    let marksOf: string | undefined;
    for await (const span of this.#spans(receiptId, after)) {
      if (span.kind === "marks") {
        if (marksOf !== span.receiptId) {
          yield* this.#merged(group, after, marks);
          group = [];
          marks = new Map();
          marksOf = span.receiptId;
        }
        for (const { rowNumber, replayed } of await this.#read(span.key, StoredMark))
          if (replayed.atMs >= (marks.get(rowNumber)?.atMs ?? 0)) marks.set(rowNumber, replayed);
        continue;
      }
      if (marksOf !== span.receiptId && group.length === 0) {
        marks = new Map();
        marksOf = span.receiptId;
      }
      const open = group[0];
      const overlaps = open?.receiptId === span.receiptId && group.some((one) => span.first <= one.last);
      if (open !== undefined && !overlaps) {
        yield* this.#merged(group, after, marks);
        group = [];
        if (marksOf !== span.receiptId) {
          marks = new Map();
          marksOf = span.receiptId;
        }
      }
      group.push(span);
    }
    yield* this.#merged(group, after, marks);
  }

  async *#spans(receiptId?: string, after?: Position): AsyncGenerator<Span | MarksObject> {
    const from = receiptId ?? after?.receiptId;
    const pages = paginateListObjectsV2(
      { client: this.#client },
      {
        Bucket: this.#bucket,
        Prefix: receiptId === undefined ? ROOT : `${ROOT}${receiptId}/`,
        ...(from === undefined || receiptId !== undefined ? {} : { StartAfter: `${ROOT}${from}/` }),
      },
    )[Symbol.asyncIterator]();
    for (;;) {
      const page = await calling("listing quarantine", () => pages.next());
      if (page.done === true) return;
      for (const { Key } of page.value.Contents ?? []) {
        const marked = Key === undefined ? undefined : MARKS.exec(Key)?.[1];
        if (Key !== undefined && marked !== undefined) yield { kind: "marks", key: Key, receiptId: marked };
        const span = Key === undefined ? undefined : spanOf(Key);
        if (span !== undefined && !(span.receiptId === after?.receiptId && span.last <= after.row)) yield span;
      }
    }
  }

  async *#merged(group: readonly Span[], after: Position | undefined, marks: Marks): AsyncGenerator<QuarantinedItem> {
    const items = (await mapLimit(group, WIDTH, ({ key }) => this.#read(key, StoredItem))).flat();
    let last: number | undefined;
    for (const item of items.sort(byRow)) {
      const seen = item.receiptId === after?.receiptId && item.rowNumber <= after.row;
      const replayed = marks.get(item.rowNumber);
      if (!seen && item.rowNumber !== last) yield replayed === undefined ? item : { ...item, replayed };
      last = item.rowNumber;
    }
  }

  async #read<T>(key: string, line: z.ZodType<T>): Promise<T[]> {
    try {
      const body = await calling("reading quarantine", async () => {
        const { Body } = await this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: key }));
        return (await Body?.transformToString("utf8")) ?? "";
      });
      return body
        .split("\n")
        .filter((text) => text !== "")
        .map((text) => line.parse(JSON.parse(text)));
    } catch (error) {
      if (error instanceof NoSuchKey) return []; // expired between the listing and the reading
      throw error;
    }
  }
}
