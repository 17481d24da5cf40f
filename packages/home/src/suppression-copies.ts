/** Copies of the list of erased people: kept apart from backups, brought together again after a restore. */
import type { Suppression } from "@ebb/ports";
import { openSecrets } from "@ebb/ports/embedded/configuration";
import { EmbeddedSuppressions } from "@ebb/ports/embedded/suppressions";

/**
 * Adds to the list in the folder `to` what the one in `from` holds; nobody is taken off. Answers how many are on it then.
 * @param home the folder of the home whose list it is
 */
export const copySuppressions = async (home: string, from: string, to: string): Promise<number> => {
  const { suppressionSecret } = openSecrets(home);
  const source = new EmbeddedSuppressions(from, suppressionSecret);
  const target = new EmbeddedSuppressions(to, suppressionSecret);
  try {
    const people: Suppression[] = [];
    for await (const each of source.entries()) people.push(each);
    await target.merge(people);
    return target.current().size;
  } finally {
    source.close();
    target.close();
  }
};
