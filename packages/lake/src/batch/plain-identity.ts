/** For tests: whose a key is, by a slow union-find over the history of events. Nothing of it is shared with the SQL. */
import type { StreamEvent } from "@ebb/core/stream-event";

const strength = (key: string): number => ["cus", "eml", "aut", "ano"].indexOf(key.slice(0, 3));

class Groups {
  readonly #parent = new Map<string, string>();

  find(key: string): string {
    let root = key;
    while (this.#parent.has(root)) root = this.#parent.get(root)!;
    return root;
  }

  /** The weaker key comes under the stronger one. */
  union(weak: string, strong: string): void {
    this.#parent.set(this.find(weak), this.find(strong));
  }
}

/** The strongest key of everybody's group, by key; customers by themselves are not told. */
export const plainIdentity = (events: readonly StreamEvent[]): Map<string, string> => {
  const lastTogether = new Map<string, { weak: string; strong: string; at: string }>();
  const unlinks: { key: string; customer: string; at: string }[] = [];
  const keys = new Set<string>();
  for (const event of events) {
    if (event.kind === "identity_unlinked") {
      if (event.customer_key !== undefined && event.unlinked_key !== undefined)
        unlinks.push({ key: event.unlinked_key, customer: event.customer_key, at: event.occurred_at });
      continue;
    }
    const named = [event.customer_key, event.email_key, event.author_key, event.anonymous_key].filter(
      (key) => key !== undefined,
    );
    if (named.length < 2) continue;
    for (const weak of named)
      for (const strong of named) {
        if (strength(strong) >= strength(weak)) continue;
        keys.add(weak).add(strong);
        const known = lastTogether.get(`${weak} ${strong}`);
        if (known === undefined || known.at < event.occurred_at)
          lastTogether.set(`${weak} ${strong}`, { weak, strong, at: event.occurred_at });
      }
  }
  const groups = new Groups();
  for (const kind of [1, 2, 3])
    for (const weak of [...keys].filter((key) => strength(key) === kind)) {
      const links = [...lastTogether.values()]
        .filter((link) => link.weak === weak)
        .filter(
          (link) =>
            !unlinks.some(
              ({ key, customer, at }) => key === weak && customer === groups.find(link.strong) && at >= link.at,
            ),
        )
        .sort(
          (a, b) =>
            strength(a.strong) - strength(b.strong) ||
            (a.at < b.at ? 1 : a.at > b.at ? -1 : a.strong < b.strong ? -1 : 1),
        );
      if (links.length > 0) groups.union(weak, links[0]!.strong);
    }
  return new Map([...keys].filter((key) => strength(key) > 0).map((key) => [key, groups.find(key)]));
};
