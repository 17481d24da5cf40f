/** What lies where others lay down objects for this home. */
import path from "node:path";
import type { Source } from "@ebb/functions/collect/sources";
import { openBucket } from "@ebb/functions/collect/sources/open";
import { FolderObjects } from "@ebb/ports/embedded/source-folder";
import type { SourceObjects } from "@ebb/ports/source-ports";
import { namedObjects } from "@ebb/ports/source-readers/named-objects";

/** What lies in a source's folder or bucket; errors name the source. */
export const openObjects = async (
  source: Extract<Source, { kind: "objects" }>,
  folder: string,
): Promise<SourceObjects> => {
  const { connection, spec } = source;
  if (connection.folder === undefined) return await openBucket(source);
  return namedObjects(
    spec.name,
    `the folder ${connection.folder}`,
    new FolderObjects(path.resolve(folder, connection.folder)),
  );
};
