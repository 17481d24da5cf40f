/** Every table that a batch run writes, each after those it reads. */
import type { BatchTable } from "../batch-table.ts";
import { curatedTables } from "./curated.ts";
import { customerFeatures } from "./customer-features.ts";
import { customerLabels } from "./customer-labels.ts";

export const batchTables: readonly BatchTable[] = [...curatedTables, customerFeatures, customerLabels];
