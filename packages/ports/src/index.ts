export * from "./ports.ts";
export * from "./batch-ports.ts";
