/**
 * What is known of one order, and how events change it. Pure and order-independent: applying a set of distinct
 * events in any order, any number of times, gives the same record.
 */
import type { StreamEvent } from "./stream-event.ts";

/** `source␟orderId`, or `source␟␟refundId` for a refund that names no order. Unique within a customer. */
export type OrderKey = string & { readonly __id: "order" };

/** Precedence of a snapshot: orders sent over HTTP outrank file lines. */
export const ORDER_RANK = { file: 1, http: 2 } as const;

/**
 * Versions of orders that a database tells of begin here. They share the rank of file lines, which count from 1: what
 * the database says outranks every file, and an order sent over HTTP outranks both.
 */
export const DATABASE_VERSION = 2 ** 40;

/** The latest known whole state of an order. The highest (rank, version, eventId) wins. */
export interface OrderSnapshot {
  readonly rank: number;
  readonly version: number;
  readonly eventId: string;
  /** Reporting currency, minor units. 0 for a cancelled order. */
  readonly totalMinor: number;
  /**
   * When the order was placed, epoch milliseconds: the earliest of its HTTP events, because an update says when it was
   * updated; a file states the time with each version.
   */
  readonly occurredAtMs: number;
  readonly cancelled: boolean;
}

/** One refund, by its own id; versioned like a snapshot, because a file may add lines to it. */
export interface Refund {
  readonly rank: number;
  readonly version: number;
  readonly eventId: string;
  /** Reporting currency, minor units, ≥ 0. */
  readonly amountMinor: number;
  /** No amount was given: it gives back whatever the order was worth. */
  readonly full: boolean;
  readonly occurredAtMs: number;
}

export interface OrderRecord {
  readonly key: OrderKey;
  readonly snapshot?: OrderSnapshot;
  /** By refund id. */
  readonly refunds: Readonly<Record<string, Refund>>;
}

export const orderKeyOf = (event: Pick<StreamEvent, "source" | "order_id" | "refund_id">): OrderKey =>
  (event.order_id !== undefined
    ? `${event.source}\u001f${event.order_id}`
    : `${event.source}\u001f\u001f${event.refund_id ?? ""}`) as OrderKey;

type Versioned = { readonly rank: number; readonly version: number; readonly eventId: string };

/** Total order over the states of one thing; the event id breaks ties so that no two events are equal. */
export const supersedes = (a: Versioned, b: Versioned | undefined): boolean =>
  b === undefined ||
  a.rank > b.rank ||
  (a.rank === b.rank && (a.version > b.version || (a.version === b.version && a.eventId > b.eventId)));

export const emptyOrder = (key: OrderKey): OrderRecord => ({ key, refunds: {} });

/** What the score stage reads of an event. */
export type OrderEvent = Pick<
  StreamEvent,
  | "event_id"
  | "kind"
  | "source"
  | "occurred_at"
  | "customer_key"
  | "order_id"
  | "order_rank"
  | "order_version"
  | "refund_id"
  | "full_refund"
  | "reporting_minor"
>;

/** Applies one event. Returns the same record when the event changes nothing (a duplicate, or an older state). */
export const applyOrderEvent = (record: OrderRecord, event: OrderEvent): OrderRecord => {
  const base = {
    rank: event.order_rank ?? ORDER_RANK.http,
    version: event.order_version ?? Date.parse(event.occurred_at),
    eventId: event.event_id,
    occurredAtMs: Date.parse(event.occurred_at),
  };
  if (event.kind === "order_refunded") {
    const id = event.refund_id ?? event.event_id;
    if (!supersedes(base, Object.hasOwn(record.refunds, id) ? record.refunds[id] : undefined)) return record;
    const refund: Refund = {
      ...base,
      amountMinor: Math.abs(event.reporting_minor ?? 0),
      full: event.full_refund ?? false,
    };
    return { ...record, refunds: { ...record.refunds, [id]: refund } };
  }
  const old = record.snapshot;
  const occurredAtMs = placedAtMs(base, old);
  if (old !== undefined && !supersedes(base, old))
    return base.rank < old.rank || occurredAtMs === old.occurredAtMs
      ? record
      : { ...record, snapshot: { ...old, occurredAtMs } };
  const cancelled = event.kind === "order_cancelled";
  const totalMinor = cancelled ? 0 : (event.reporting_minor ?? 0);
  return { ...record, snapshot: { ...base, occurredAtMs, totalMinor, cancelled } };
};

type Timed = Versioned & { readonly occurredAtMs: number };

/** The time of the order once `event` is known. */
const placedAtMs = (event: Timed, known: Timed | undefined): number => {
  if (known === undefined || known.rank !== event.rank) return event.occurredAtMs;
  if (event.rank === ORDER_RANK.http) return Math.min(event.occurredAtMs, known.occurredAtMs);
  return supersedes(event, known) ? event.occurredAtMs : known.occurredAtMs;
};

/** What one order adds to its customer's totals. All money in reporting minor units. */
export interface OrderEffect {
  readonly grossMinor: number;
  readonly refundMinor: number;
  /** The order counts for recency and frequency: it exists, is not cancelled and its net is above zero. */
  readonly counts: boolean;
  readonly occurredAtMs: number;
}

/**
 * The effect of a record. A full refund gives back what explicit refunds have left. A cancelled order is worth nothing
 * and its refunds give back nothing more: cancelling after (or before) paying back leaves 0, not a debt.
 */
export const effectOf = (record: OrderRecord): OrderEffect => {
  const refunds = Object.values(record.refunds);
  const grossMinor = record.snapshot?.totalMinor ?? 0;
  const explicitMinor = refunds.reduce((sum, refund) => sum + refund.amountMinor, 0);
  const cancelled = record.snapshot?.cancelled ?? false;
  const refundMinor = cancelled
    ? 0
    : refunds.some((refund) => refund.full)
      ? Math.max(explicitMinor, grossMinor)
      : explicitMinor;
  const occurredAtMs =
    record.snapshot?.occurredAtMs ?? refunds.reduce((min, refund) => Math.min(min, refund.occurredAtMs), Infinity);
  return {
    grossMinor,
    refundMinor,
    counts: record.snapshot !== undefined && !cancelled && grossMinor - refundMinor > 0,
    occurredAtMs,
  };
};
