/** The DynamoDB tables as data: `stacks/` declares them from it, the emulator lanes create them from it. */
import type { Variable } from "./environment.ts";

/** The index that `newestFirst` reads: `shard` (S), `at` (S), all attributes. */
export const newestIndex = { name: "newest", hashKey: "shard", rangeKey: "at" } as const;

export interface TableKeys {
  readonly hashKey: "pk";
  /** `pk` is always text. */
  readonly rangeKey?: { readonly name: "sk"; readonly type: "S" | "N" };
  readonly newest: boolean;
}

export const tables = {
  EBB_LEDGER_TABLE: { hashKey: "pk", rangeKey: { name: "sk", type: "N" }, newest: true },
  EBB_CUSTOMER_TABLE: { hashKey: "pk", rangeKey: { name: "sk", type: "S" }, newest: false },
  EBB_PROFILE_TABLE: { hashKey: "pk", newest: false },
  EBB_ORDER_BOOK_TABLE: { hashKey: "pk", newest: false },
  EBB_UPLOAD_TABLE: { hashKey: "pk", newest: true },
  EBB_KEY_TABLE: { hashKey: "pk", newest: false },
  EBB_SUPPRESSION_TABLE: { hashKey: "pk", rangeKey: { name: "sk", type: "S" }, newest: true },
  EBB_RUN_TABLE: { hashKey: "pk", newest: true },
  EBB_SOURCE_TABLE: { hashKey: "pk", rangeKey: { name: "sk", type: "S" }, newest: false },
} as const satisfies Partial<Record<Variable, TableKeys>>;
