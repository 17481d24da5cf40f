export * from "./ports.ts";
export * from "./batch-ports.ts";
export * from "./erasure-ports.ts";
