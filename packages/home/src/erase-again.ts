/**
 * A backup from before an erasure has the person in it. What is restored is therefore compared with the list of those who
 * were erased, and an erasure begun for everybody found: the home goes on with it at its start, and tells nothing of them
 * before, since they are on the list.
 */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import type { AnonymousKey, CustomerKey } from "@ebb/core/ids";
import { MOST_CUSTOMERS } from "@ebb/functions/serve/erasures";
import type { Subject } from "@ebb/ports";
import { RESTORED_FILE } from "@ebb/ports/embedded/backup";
import { EmbeddedErasures } from "@ebb/ports/embedded/erasures";
import { peopleOf } from "@ebb/ports/embedded/people";
import { EmbeddedProfileStore } from "@ebb/ports/embedded/profile-store";
import { EmbeddedSuppressions } from "@ebb/ports/embedded/suppressions";

/**
 * Does nothing where no restore is behind the folder, or its people were looked through since. Safe to repeat.
 * @param folder a home that nobody has open
 * @returns customers, and visitors of nobody, who are erased again
 */
export const eraseAgain = async (folder: string, suppressionSecret: string, nowMs: number): Promise<number> => {
  if (!existsSync(path.join(folder, RESTORED_FILE))) return 0;
  const subjects = await suppressedPeople(folder, suppressionSecret);
  const erasures = new EmbeddedErasures(folder);
  try {
    for (let at = 0; at < subjects.length; at += MOST_CUSTOMERS) {
      const some = subjects.slice(at, at + MOST_CUSTOMERS);
      const erasureId = `era_${randomUUID().replaceAll("-", "")}`;
      await erasures.request({ erasureId, state: "requested", requestedAtMs: nowMs, customers: some.length }, some);
    }
  } finally {
    erasures.close();
  }
  await rm(path.join(folder, RESTORED_FILE), { force: true }); // last: a crash before it does all of it again
  return subjects.length;
};

const suppressedPeople = async (folder: string, suppressionSecret: string): Promise<Subject[]> => {
  const suppressions = new EmbeddedSuppressions(folder, suppressionSecret);
  try {
    const list = suppressions.current();
    if (list.size === 0) return [];
    const found = [...(await peopleOf(folder))].filter((pseudonym) => list.has(pseudonym)).sort();
    const profiles = new EmbeddedProfileStore(folder);
    try {
      return await Promise.all(found.map((pseudonym) => subjectOf(pseudonym, profiles)));
    } finally {
      profiles.close();
    }
  } finally {
    suppressions.close();
  }
};

/**
 * A visitor is a subject too: the backup may be older than the event by which this browser was known to be the customer's,
 * and tell of the browser alone.
 */
const subjectOf = async (pseudonym: string, profiles: EmbeddedProfileStore): Promise<Subject> => {
  if (pseudonym.startsWith("ano_"))
    return { customerKey: pseudonym as CustomerKey, anonymousKeys: [pseudonym as AnonymousKey] };
  const customerKey = pseudonym as CustomerKey;
  const customerId = (await profiles.get(customerKey))?.customerId;
  return { customerKey, ...(customerId === undefined ? {} : { customerId }), anonymousKeys: [] };
};
