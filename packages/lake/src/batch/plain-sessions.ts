/** For tests: sessions by a slow, obvious loop over the events of a visitor. Nothing of it is shared with the SQL. */
import type { StreamEvent } from "@ebb/core/stream-event";

export interface PlainSession {
  readonly source: string;
  readonly anonymous_key: string | null;
  customer_key: string | null;
  readonly started_at: string;
  ended_at: string;
  events: number;
  page_views: number;
  product_views: number;
  landing_path: string | null;
  exit_path: string | null;
  campaign: string | null;
}

const notVisits = new Set([
  ...["order_completed", "order_updated", "order_refunded", "order_cancelled"],
  ...["social_mentioned", "social_engaged", "identify", "group", "alias", "identity_unlinked", "erased"],
]);

/** Distinct events of visits, the first to arrive of each id, in the order in which they occurred. */
const visitEvents = (landed: readonly StreamEvent[]): StreamEvent[] => {
  const kept = new Map<string, StreamEvent>();
  for (const event of landed) {
    if (notVisits.has(event.kind)) continue;
    const known = kept.get(event.event_id);
    if (known === undefined || event.received_at < known.received_at) kept.set(event.event_id, event);
  }
  return [...kept.values()].sort(
    (a, b) => a.occurred_at.localeCompare(b.occurred_at) || a.event_id.localeCompare(b.event_id),
  );
};

/** By source, visitor and start. */
export const plainSessions = (landed: readonly StreamEvent[]): PlainSession[] => {
  const sessions: PlainSession[] = [];
  const open = new Map<string, PlainSession>();
  for (const event of visitEvents(landed)) {
    const visitor = event.anonymous_key ?? event.customer_key;
    if (visitor === undefined) continue;
    const name = `${event.source} ${visitor}`;
    let session = open.get(name);
    const goesOn =
      session !== undefined &&
      Date.parse(event.occurred_at) - Date.parse(session.ended_at) < 1_800_000 &&
      event.occurred_at.slice(0, 7) === session.ended_at.slice(0, 7);
    if (session === undefined || !goesOn) {
      session = {
        source: event.source,
        anonymous_key: event.anonymous_key ?? null,
        customer_key: null,
        started_at: event.occurred_at,
        ended_at: event.occurred_at,
        ...{ events: 0, page_views: 0, product_views: 0, landing_path: null, exit_path: null, campaign: null },
      };
      sessions.push(session);
      open.set(name, session);
    }
    session.ended_at = event.occurred_at;
    session.events++;
    if (event.kind === "page" || event.kind === "screen") session.page_views++;
    if (event.kind === "product_viewed") session.product_views++;
    session.customer_key = event.customer_key ?? session.customer_key;
    session.landing_path ??= event.page_path ?? null;
    session.exit_path = event.page_path ?? session.exit_path;
    session.campaign ??= event.campaign ?? null;
  }
  return sessions.sort((a, b) => sortName(a).localeCompare(sortName(b)));
};

const sortName = (session: PlainSession): string =>
  `${session.source} ${session.anonymous_key ?? session.customer_key} ${session.started_at}`;
