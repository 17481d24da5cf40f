/**
 * What a key may do. A key has any of them, but `write` stands alone: a write key is in the source of every page of a
 * shop, so it must read nothing (but what became of its own uploads).
 */
export const scopes = {
  write: "send events and files, and see what became of the uploads of its own source",
  "read:customers": "single customers: figures, scores, timeline, lists and segments' members",
  "read:analytics": "figures over all customers: sales, products, segments, churn, models",
  "read:operations": "ledger, quarantine with its original bytes, uploads of every source, runs, the pipeline",
  export: "all that is kept of one person, personal fields included",
  erase: "erase a person for good",
} as const;

export type Scope = keyof typeof scopes;
export const scopeNames = Object.keys(scopes) as readonly Scope[];

/** What the dashboard needs, and nothing that shows personal fields or changes anything. */
export const readScopes = ["read:customers", "read:analytics", "read:operations"] as const satisfies readonly Scope[];

/** Why a key cannot have these scopes; `undefined` when it can. */
export const scopesFault = (wanted: readonly string[]): string | undefined => {
  if (wanted.length === 0) return "a key needs at least one scope";
  const unknown = wanted.find((name) => !Object.hasOwn(scopes, name));
  if (unknown !== undefined) return `"${unknown}" is no scope; there are ${scopeNames.join(", ")}`;
  if (wanted.includes("write") && wanted.some((name) => name !== "write"))
    return "a write key has no other scope: it is readable in every page that sends events";
  return undefined;
};
