/** The declarations of sources as a file holds them. */
import { readFileSync } from "node:fs";
import { type Source, SourcesInvalid, parseSources } from "../sources.ts";

/** What the file is called, whichever folder it lies in. */
export const SOURCES_FILE = "ebb.sources.json";

/** None where there is no such file. @throws SourcesInvalid with every fault */
export const readDeclared = (file: string): readonly Source[] => {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new SourcesInvalid(error instanceof Error ? error.message : String(error));
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new SourcesInvalid(`${file} is not JSON`);
  }
  return parseSources(value);
};
