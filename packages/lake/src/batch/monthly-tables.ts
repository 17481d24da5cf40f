/** Tables whose months a run writes anew when an event of the month arrives, each after those it reads. */
import type { BatchTable } from "../batch-table.ts";
import { botDays } from "./bot-days.ts";
import { curatedTables } from "./curated.ts";
import { productDays } from "./products.ts";
import { qualityProfiles } from "./quality-profiles.ts";
import { sessions } from "./sessions.ts";

export const monthlyTables: readonly BatchTable[] = [...curatedTables, botDays, sessions, productDays, qualityProfiles];
