/** How aggregates and order records lie in a row: JSON arrays without names, a third of the bytes and of the parsing. */
import type { MonthBucket } from "@ebb/core/customers";
import type { OrderKey, OrderRecord, OrderSnapshot, Refund } from "@ebb/core/orders";

type SnapshotRow = [
  rank: number,
  version: number,
  eventId: string,
  totalMinor: number,
  occurredAtMs: number,
  cancelled: 0 | 1,
];
type RefundRow = [
  id: string,
  rank: number,
  version: number,
  eventId: string,
  amountMinor: number,
  full: 0 | 1,
  occurredAtMs: number,
];

export const encodeOrder = (record: OrderRecord): string => {
  const { snapshot: s } = record;
  const row: unknown[] = [
    s === undefined
      ? 0
      : ([s.rank, s.version, s.eventId, s.totalMinor, s.occurredAtMs, s.cancelled ? 1 : 0] satisfies SnapshotRow),
  ];
  for (const [id, r] of Object.entries(record.refunds))
    row.push([id, r.rank, r.version, r.eventId, r.amountMinor, r.full ? 1 : 0, r.occurredAtMs] satisfies RefundRow);
  return JSON.stringify(row);
};

export const decodeOrder = (key: string, text: string): OrderRecord => {
  const [snapshot, ...refundRows] = JSON.parse(text) as [SnapshotRow | 0, ...RefundRow[]];
  const refunds = Object.fromEntries(
    refundRows.map(([id, rank, version, eventId, amountMinor, full, occurredAtMs]): [string, Refund] => [
      id,
      { rank, version, eventId, occurredAtMs, amountMinor, full: full === 1 },
    ]),
  );
  return { key: key as OrderKey, ...(snapshot === 0 ? {} : { snapshot: snapshotOf(snapshot) }), refunds };
};

const snapshotOf = ([rank, version, eventId, totalMinor, occurredAtMs, cancelled]: SnapshotRow): OrderSnapshot => ({
  rank,
  version,
  eventId,
  totalMinor,
  occurredAtMs,
  cancelled: cancelled === 1,
});

/** `[month, orders, gross, refund, …]`, the month as a number: 2011-12 is 201112. */
export const encodeMonths = (months: Readonly<Record<string, MonthBucket>>): string => {
  const flat: number[] = [];
  for (const month in months) {
    const bucket = months[month]!;
    flat.push(
      Number(month.slice(0, 4)) * 100 + Number(month.slice(5)),
      bucket.orders,
      bucket.grossMinor,
      bucket.refundMinor,
    );
  }
  return JSON.stringify(flat);
};

/** A store meets a few hundred months at most; making each name once halves the decoding. */
const monthNames = new Map<number, string>();
const monthName = (month: number): string => {
  let name = monthNames.get(month);
  if (name === undefined) {
    const digits = String(month).padStart(6, "0");
    name = `${digits.slice(0, 4)}-${digits.slice(4)}`;
    monthNames.set(month, name);
  }
  return name;
};

export const decodeMonths = (text: string): Record<string, MonthBucket> => {
  const flat = JSON.parse(text) as number[];
  const months: Record<string, MonthBucket> = {};
  for (let at = 0; at < flat.length; at += 4) {
    months[monthName(flat[at]!)] = {
      orders: flat[at + 1]!,
      grossMinor: flat[at + 2]!,
      refundMinor: flat[at + 3]!,
    };
  }
  return months;
};
