/** `ebb.sources.json` of a home's folder. */
import path from "node:path";
import { type Source, SourcesInvalid, parseSources } from "@ebb/functions/collect/sources";
import { readJsonFile } from "@ebb/ports/embedded/private-file";

export const SOURCES_FILE = "ebb.sources.json";

/** None where there is no such file. @throws SourcesInvalid with every fault */
export const readSources = (folder: string): readonly Source[] => {
  const file = path.join(folder, SOURCES_FILE);
  let value: unknown;
  try {
    value = readJsonFile(file);
  } catch (error) {
    throw new SourcesInvalid(error instanceof Error ? error.message : String(error));
  }
  return value === undefined ? [] : parseSources(value);
};
