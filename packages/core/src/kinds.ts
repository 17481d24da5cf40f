/** Raised by one with every change of the stream's shape; a change that breaks stored data fails a test. */
export const STREAM_SCHEMA_VERSION = 1;

/**
 * Every kind of event on the stream with the name its producer uses (Segment E-commerce Spec v2, Segment's calls,
 * and two of our own for social activity).
 */
export const kindNames = {
  order_completed: "Order Completed",
  order_updated: "Order Updated",
  order_refunded: "Order Refunded",
  order_cancelled: "Order Cancelled",
  product_viewed: "Product Viewed",
  product_list_viewed: "Product List Viewed",
  product_added: "Product Added",
  product_removed: "Product Removed",
  cart_viewed: "Cart Viewed",
  checkout_started: "Checkout Started",
  products_searched: "Products Searched",
  product_reviewed: "Product Reviewed",
  social_mentioned: "Social Mentioned",
  social_engaged: "Social Engaged",
  page: "page",
  screen: "screen",
  identify: "identify",
  group: "group",
  alias: "alias",
  identity_unlinked: "Identity Unlinked",
  track: "track",
} as const;

export type EventKind = keyof typeof kindNames;
export const eventKinds = Object.keys(kindNames) as [EventKind, ...EventKind[]];

/** What is left of an event whose person was erased: it has arrived, and says nothing else (erasure.ts). */
export const ERASED_KIND = "erased";
export const streamKinds = [...eventKinds, ERASED_KIND] as const;
export type StreamKind = (typeof streamKinds)[number];

/** Kinds whose events change what a customer is worth: the only ones the score stage folds. */
export const orderKinds: ReadonlySet<EventKind> & { has(kind: StreamKind): boolean } = new Set<EventKind>([
  "order_completed",
  "order_updated",
  "order_refunded",
  "order_cancelled",
]);
