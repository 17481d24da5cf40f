/**
 * A declared source is loaded: one pass, by its schedule. A load that is longer than the function may run goes on in
 * another one, behind its last checkpoint. Safe to run again after a stop at any instant.
 */
import { tmpdir } from "node:os";
import type { Context } from "aws-lambda";
import { z } from "zod";
import type { AwsPorts as Ports } from "@ebb/ports/aws";
import { parquetAsCsv } from "@ebb/ports/aws/parquet-csv";
import { type LoadEnd, SourceProblem, SourceWaiting } from "@ebb/ports/source-ports";
import { logger } from "../runtime/logger.ts";
import { onAws } from "../runtime/on-aws.ts";
import type { Source } from "./sources.ts";
import { accepted } from "./sources/accept.ts";
import { readDeclared } from "./sources/declared.ts";
import { SourceBusy } from "./sources/lease.ts";
import { loadRows } from "./sources/load.ts";
import { loadObjects } from "./sources/objects.ts";
import { openBucket, openRows } from "./sources/open.ts";

export type LoadSourcePorts = Pick<
  Ports,
  | "now"
  | "newId"
  | "metrics"
  | "log"
  | "profiles"
  | "pseudonyms"
  | "settings"
  | "orderBook"
  | "uploads"
  | "objects"
  | "jobs"
  | "suppressions"
  | "sources"
  | "sourceTables"
  | "sourceJobs"
>;

export const LoadSourceEvent = z.object({
  source: z.string().min(1),
  /** An operator takes fields whose type changed: everything is read again. */
  accept: z.boolean().default(false),
  /** A job that the load waited for has ended. */
  ended: z.boolean().default(false),
});
type JobContext = Pick<Context, "awsRequestId" | "getRemainingTimeInMillis">;

/** What asking for the next run and giving the lease back takes at most. */
const END_MS = 20_000;
/** A commit is a few statements of Athena's. */
const COMMIT_MS = 480_000;

/** @param declared the sources, where they are not those of the file that travels with the function's code */
export const make =
  (ports: LoadSourcePorts, declared: () => readonly Source[] = () => readDeclared(sourcesFile()), open = openRows) =>
  async (event: unknown, context: JobContext): Promise<LoadEnd | undefined> => {
    const { source: name, accept, ended } = LoadSourceEvent.parse(event);
    const source = declared().find(({ spec }) => spec.name === name);
    if (source === undefined) throw new Error(`There is no source "${name}".`);
    const state = accept ? await ports.sources.get(name) : undefined;
    if (state !== undefined) await ports.sources.put(accepted(state));
    try {
      const end = await load(ports, source, context, open);
      if (end === undefined) await ports.sourceJobs.load(name);
      else logger.info("a source was loaded", { source: name, counts: end.counts, tables: end.tables });
      return end;
    } catch (error) {
      // The job's end calls for the next run.
      if (error instanceof SourceWaiting) {
        logger.info("a load waits", { source: name, cause: error.message });
        return undefined;
      }
      // A job that ended sooner than the run that began it: Lambda tries again in a minute.
      if (error instanceof SourceBusy && !ended) {
        logger.info("a load of the source is under way already", { source: name });
        return undefined;
      }
      // Counted and noted down, and to try again mends nothing: the next try is the schedule's.
      if (error instanceof SourceProblem && !error.mayRetry) {
        logger.error("a source could not be loaded", {
          source: name,
          code: error.code,
          field: error.field,
          cause: error.message,
        });
        return undefined;
      }
      throw error;
    }
  };

export const handler = onAws((ports) => make(ports));

const sourcesFile = (): string => {
  const file = process.env["EBB_SOURCES_FILE"];
  if (file === undefined) throw new Error("EBB_SOURCES_FILE does not name the declarations of sources.");
  return file;
};

/** `undefined` when time ran out. */
const load = async (
  ports: LoadSourcePorts,
  source: Source,
  context: JobContext,
  open: typeof openRows,
): Promise<LoadEnd | undefined> => {
  const about = {
    // Lambda tries again under the same id: what a killed run holds is its own.
    owner: context.awsRequestId,
    remainingMs: () => context.getRemainingTimeInMillis() - END_MS,
    commitMs: COMMIT_MS,
  };
  if (source.kind === "objects") {
    const taking = { ...ports, parquetAsCsv: (bytes: AsyncIterable<Uint8Array>) => parquetAsCsv(bytes, tmpdir()) };
    return await loadObjects(taking, source.spec, await openBucket(source), about);
  }
  const { load: spec, reader } = await openRowsCounted(ports, source, open);
  try {
    return await loadRows(ports, spec, reader, about);
  } finally {
    await reader.close();
  }
};

/** A source that cannot even be opened is a failed load like any other. */
const openRowsCounted = async (
  ports: Pick<LoadSourcePorts, "metrics">,
  source: Exclude<Source, { kind: "objects" }>,
  open: typeof openRows,
): ReturnType<typeof openRows> => {
  try {
    return await open(source, process.cwd());
  } catch (error) {
    ports.metrics.count("SourceLoadsFailed", 1, { source: source.spec.name });
    throw error;
  }
};
