/** What reads a declared source. Clients are imported when a source asks for them: each takes time and memory. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { type RowReader, type SourceObjects, SourceProblem } from "@ebb/ports/source-ports";
import { namedObjects } from "@ebb/ports/source-readers/named-objects";
import type { Source } from "../sources.ts";
import { dynamoLoad } from "./dynamo.ts";
import { portOf } from "./port.ts";
import type { LoadSpec } from "./shape.ts";

type Relational = Extract<Source, { kind: "relational" }>;
type Dynamo = Extract<Source, { kind: "dynamodb" }>;
type Objects = Extract<Source, { kind: "objects" }>;

/** What is loaded of a source of rows, and what reads it. @param folder from which files are named @throws SourceProblem */
export const openRows = async (
  source: Relational | Dynamo,
  folder: string,
): Promise<{ readonly load: LoadSpec; readonly reader: RowReader }> => {
  if (source.kind === "relational") return { load: source.spec, reader: await relationalReader(source, folder) };
  const { dynamoReader } = await import("./open-aws.ts");
  return { load: dynamoLoad(source.spec), reader: dynamoReader(source) };
};

/** What lies in a source's bucket; errors name the source. */
export const openBucket = async ({ connection, spec }: Objects): Promise<SourceObjects> => {
  const { bucketObjects } = await import("./open-aws.ts");
  return namedObjects(spec.name, `the bucket ${connection.bucket}`, bucketObjects(connection));
};

/** @throws SourceProblem `secret` where the password is not in the environment, `tls` without the authority's file */
const relationalReader = async ({ connection, spec }: Relational, folder: string): Promise<RowReader> => {
  const { kind, host, database, user, password: reference, tls, ca_file: caFile } = connection;
  const password = reference === undefined ? undefined : process.env[reference.secret];
  if (reference !== undefined && password === undefined)
    throw new SourceProblem("secret", spec.name, `the environment has no ${reference.secret}: start the home with it.`);
  let ca: string | undefined;
  try {
    ca = caFile === undefined ? undefined : readFileSync(path.resolve(folder, caFile), "utf8");
  } catch (error) {
    throw new SourceProblem("tls", spec.name, `the file ${caFile} cannot be read.`, { cause: error });
  }
  const to = {
    source: spec.name,
    host,
    port: portOf(connection),
    database,
    user,
    password,
    tls: tls === "off" ? ({ mode: "off" } as const) : { mode: "verify" as const, ...(ca === undefined ? {} : { ca }) },
  };
  if (kind === "mysql") {
    const { MysqlReader } = await import("@ebb/ports/source-readers/mysql");
    return new MysqlReader(to);
  }
  const { PostgresReader } = await import("@ebb/ports/source-readers/postgres");
  return new PostgresReader(to);
};
