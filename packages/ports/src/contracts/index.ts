/** One suite a port; every adapter runs them all. */
export * from "./customer-store.ts";
export * from "./event-log.ts";
export * from "./key-ring.ts";
export * from "./ledger.ts";
export * from "./object-store.ts";
export * from "./order-book.ts";
export * from "./profile-store.ts";
export * from "./quarantine.ts";
export * from "./run-store.ts";
export * from "./score-store.ts";
export * from "./erasures.ts";
export * from "./suppressions.ts";
export * from "./upload-store.ts";
export * from "./source-objects.ts";
export * from "./source-store.ts";
export * from "./source-tables.ts";
