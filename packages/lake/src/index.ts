export { rawEventsColumns, rawEventsGlueColumns, rawEventsPartitionKeys } from "./raw-events.ts";
export { athenaViews, duckdbViews, views } from "./views.ts";
