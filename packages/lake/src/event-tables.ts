/** Where the views find events: in `raw_events`, always fresh, or in the curated tables of a batch run. */
export interface EventTables {
  /** Completed, updated, refunded and cancelled orders. */
  readonly orders: string;
  /** Visits of the shop. */
  readonly web: string;
  readonly social: string;
  /** Events of every kind: who was seen, and what identify calls said. */
  readonly every: string;
}

export const rawEventTables: EventTables = {
  orders: "raw_events",
  web: "raw_events",
  social: "raw_events",
  every: "raw_events",
};
