/** `ebb.sources.json` of a home's folder. */
import path from "node:path";
import type { Source } from "@ebb/functions/collect/sources";
import { SOURCES_FILE, readDeclared } from "@ebb/functions/collect/sources/declared";

export { SOURCES_FILE };

/** None where there is no such file. @throws SourcesInvalid with every fault */
export const readSources = (folder: string): readonly Source[] => readDeclared(path.join(folder, SOURCES_FILE));
