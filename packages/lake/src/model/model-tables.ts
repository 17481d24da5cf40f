/** Tables that a run writes after its model is fitted: their SQL needs the model, or what it computed. */
import type { BatchTable } from "../batch-table.ts";
import { churnScores } from "./churn-scores.ts";
import { customerScores } from "./customer-scores.ts";

export const modelTables: readonly BatchTable[] = [churnScores, customerScores];
