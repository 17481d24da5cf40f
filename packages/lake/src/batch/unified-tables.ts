/** What a run makes of events of all sources about customers and products; written whole, each table after those it reads. */
import type { BatchTable } from "../batch-table.ts";
import { identityChanges, identityKeys, identityLinks } from "./identity.ts";
import { productCatalogue, productHistory, productPrices } from "./products-catalogue.ts";
import { socialPosts } from "./social-posts.ts";
import { qualityReferences } from "./quality-profiles.ts";
import { toldTables } from "./told-tables.ts";
import { customerAttributes, unifiedCustomers } from "./unified-customers.ts";

export const unifiedTables: readonly BatchTable[] = [
  ...toldTables,
  identityLinks,
  identityKeys,
  identityChanges,
  unifiedCustomers,
  customerAttributes,
  socialPosts,
  productHistory,
  productPrices,
  productCatalogue,
  qualityReferences,
];
