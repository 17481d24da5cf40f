/** Every table that a batch run writes, each after those it reads. */
import type { BatchTable } from "../batch-table.ts";
import { customerFeatures } from "./customer-features.ts";
import { customerLabels } from "./customer-labels.ts";
import { orderFacts } from "./order-facts.ts";
import { monthlyTables } from "./monthly-tables.ts";
import { featureQuality, sourceFreshness } from "./quality.ts";
import { repeatedOrders } from "./repeated-orders.ts";
import { unifiedTables } from "./unified-tables.ts";
import { customerSegments, rfmBase, rfmQuantiles } from "./rfm.ts";
import { activeCustomersMonthly, productSalesDaily, salesDaily } from "./sales-marts.ts";
import { rfmGrid, segmentDaily, segmentMovements } from "./segment-marts.ts";

export const batchTables: readonly BatchTable[] = [
  ...monthlyTables,
  ...unifiedTables,
  repeatedOrders,
  orderFacts,
  customerFeatures,
  customerLabels,
  featureQuality,
  sourceFreshness,
  rfmBase,
  rfmQuantiles,
  customerSegments,
  segmentMovements,
  segmentDaily,
  rfmGrid,
  salesDaily,
  activeCustomersMonthly,
  productSalesDaily,
];
