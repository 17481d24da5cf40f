/** Objects of a source, whose errors name it. */
import type { SourceObject, SourceObjects } from "../source-ports.ts";
import { SourceProblem } from "../source-ports.ts";
import { awsProblem } from "./aws-problems.ts";

/** @param what "the folder in", "the bucket exports" */
export const namedObjects = (source: string, what: string, objects: SourceObjects): SourceObjects => {
  const problem = (error: unknown): Error => {
    const { code, name } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR")
      return new SourceProblem("no_table", source, `${what} is not there.`, { cause: error });
    if (code === "EACCES" || code === "EPERM")
      return new SourceProblem("access", source, `${what} may not be read.`, { cause: error });
    if (name === "ObjectNotFound")
      return new SourceProblem("unreachable", source, `an object of ${what} is gone: the next load looks again.`, {
        cause: error,
      });
    return awsProblem(source, what, error);
  };
  const named = async function* <T>(items: AsyncIterable<T>): AsyncGenerator<T> {
    try {
      yield* items;
    } catch (error) {
      throw problem(error);
    }
  };
  return {
    list: (prefix): AsyncIterable<SourceObject> => named(objects.list(prefix)),
    read: async (key) => {
      try {
        return named(await objects.read(key));
      } catch (error) {
        throw problem(error);
      }
    },
  };
};
