/** The sources that are declared for a deployment, and where each stands. */
import path from "node:path";
import { type Source, SourcesInvalid } from "@ebb/functions/collect/sources";
import { SOURCES_FILE, readDeclared } from "@ebb/functions/collect/sources/declared";
import type { Beside } from "./function.ts";
import { dataKey } from "./keys.ts";
import { sourcesFile } from "./settings.ts";
import { table } from "./table.ts";

/** CloudWatch looks back a week at most. */
const LONGEST_EVERY_SECONDS = 2 * 86_400;

/** Letters, digits and _, and none of those that mean something to Lambda, Node or us. */
const SECRET = /^(?!(?:AWS|EBB|LAMBDA|NODE|POWERTOOLS)_)[A-Za-z][A-Za-z0-9_]*$/;

const faultsOf = ({ kind, connection, spec }: Source): string[] => {
  const faults: string[] = [];
  const { schedule } = spec;
  if (kind === "objects" && connection.folder !== undefined)
    faults.push("its connection is a folder, which is read on one machine alone: name a bucket");
  if (kind === "relational" && connection.tls === "off")
    faults.push("its connection is to this machine itself, where no database is in AWS");
  if (kind === "relational" && connection.password !== undefined && !SECRET.test(connection.password.secret))
    faults.push(`${connection.password.secret} is no name that a variable of a function may have`);
  if (kind === "relational" && spec.read !== undefined && connection.vpc === undefined)
    faults.push("read.spark needs the vpc of its connection: EMR Serverless has no way out to the internet");
  if (kind !== "relational" && connection.endpoint !== undefined)
    faults.push("its connection names an endpoint, which is for one machine alone");
  if (schedule !== undefined && "every" in schedule && schedule.every % 60 !== 0)
    faults.push("schedule.every is not of whole minutes");
  if (schedule !== undefined && "every" in schedule && schedule.every > LONGEST_EVERY_SECONDS)
    faults.push('schedule.every is more than two days: give a time of day, {"at": "02:30"}');
  return faults.map((fault) => `source "${spec.name}": ${fault}`);
};

/** @throws SourcesInvalid: nothing is deployed with a declaration that cannot work */
const declaredSources = (): readonly Source[] => {
  const sources = readDeclared(path.join($cli.paths.root, sourcesFile));
  const faults = sources.flatMap(faultsOf);
  if (faults.length > 0) throw new SourcesInvalid(`${sourcesFile} cannot be deployed.\n${faults.join("\n")}`);
  return sources;
};

export const sources = declaredSources();

/** State, lease and ends of loads; none where no source is declared. */
export const states =
  sources.length === 0
    ? undefined
    : table("Sources", { key: dataKey, fields: { pk: "string", sk: "string" }, rangeKey: "sk" });

/** How the declarations travel with a function's code. */
export const declarations = {
  environment: { EBB_SOURCES_FILE: SOURCES_FILE },
  copyFiles: [{ from: sourcesFile, to: SOURCES_FILE }],
} as const;

/** What a function reads that is to know what sources have told; it is granted where it is used. */
export const besideSources: Beside | undefined =
  states === undefined
    ? undefined
    : { ...declarations, environment: { ...declarations.environment, EBB_SOURCE_TABLE: states.name } };
