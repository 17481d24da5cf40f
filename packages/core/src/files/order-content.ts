/**
 * What the order book keeps of an order, as text: the book itself looks at its key and version alone. The lines stand
 * in it as the order's event has them, so that they become text once.
 */
import { z } from "zod";
import type { StreamLine } from "../stream-event.ts";

export const Head = z.object({
  orderId: z.string(),
  customerKey: z.string(),
  refund: z.boolean(),
  currency: z.string(),
  /** Of the earliest line. A line that has no time of its own has this one. */
  occurredAtMs: z.number(),
  country: z.string().optional(),
  coupon: z.string().optional(),
  /** The total that a row stating the whole order gave; the sum of the lines where absent. */
  statedMinor: z.number().optional(),
  /** The upload that wrote this version: it answers for the version's event. */
  changedBy: z.string(),
});
export type Head = z.infer<typeof Head>;

/** Lines are taken as they stand: this program wrote them. */
const Lines = z.array(z.custom<StreamLine & { readonly line_id: string }>());
const Stored = z.object({
  head: Head,
  /** Ids of rows that state the whole order. Those of lines are the lines' own. */
  stating: z.array(z.string()),
  uploads: z.array(z.string()),
  /** Index into `uploads` by row, lines first; absent where one upload brought them all. */
  of: z.array(z.int()).optional(),
  lines: Lines,
});

export type StoredLine = z.infer<typeof Lines>[number];
export interface OrderContent {
  readonly head: Head;
  readonly stating: readonly string[];
  readonly lines: readonly StoredLine[];
  /** The upload that first brought each row: those of the lines, in their order, then those that state the order. */
  readonly uploads: readonly string[];
}

/**
 * @param uploads by row, as in `OrderContent`
 * @param linesJson the lines' JSON texts, between commas
 */
export const encodeContent = (
  head: Head,
  stating: readonly string[],
  uploads: readonly string[],
  linesJson: string,
): string => {
  const distinct = [...new Set(uploads)];
  const rest = {
    head,
    stating,
    uploads: distinct,
    ...(distinct.length > 1 ? { of: uploads.map((upload) => distinct.indexOf(upload)) } : {}),
  };
  return `${JSON.stringify(rest).slice(0, -1)},"lines":[${linesJson}]}`;
};

export const decodeContent = (content: string): OrderContent => {
  const { head, stating, uploads, of, lines } = Stored.parse(JSON.parse(content));
  const rows = lines.length + stating.length;
  return { head, stating, lines, uploads: Array.from({ length: rows }, (_, row) => uploads[of?.[row] ?? 0]!) };
};
