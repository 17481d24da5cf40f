import { Logger } from "@aws-lambda-powertools/logger";

/** Structured JSON lines (Powertools). Level by POWERTOOLS_LOG_LEVEL; the embedded home sets WARN where it is not set. */
export const logger = new Logger({ serviceName: "ebb" });
