/** What reads a declared source. Clients are imported when a source asks for them: each takes time and memory. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { type RowReader, type SourceObjects, SourceProblem } from "@ebb/ports/source-ports";
import { namedObjects } from "@ebb/ports/source-readers/named-objects";
import type { JdbcReader } from "@ebb/ports/source-readers/jdbc";
import type { Source } from "../sources.ts";
import { dynamoLoad } from "./dynamo.ts";
import { portOf } from "./port.ts";
import type { LoadSpec } from "./shape.ts";

type Relational = Extract<Source, { kind: "relational" }>;
type Dynamo = Extract<Source, { kind: "dynamodb" }>;
type Objects = Extract<Source, { kind: "objects" }>;

/** Set for the functions of sources that Spark reads. */
const SPARK_APPLICATION = "EBB_SPARK_APPLICATION";

/** What is loaded of a source of rows, and what reads it. @param folder from which files are named @throws SourceProblem */
export const openRows = async (
  source: Relational | Dynamo,
  folder: string,
): Promise<{ readonly load: LoadSpec; readonly reader: RowReader }> => {
  if (source.kind === "relational") {
    const { read, ...load } = source.spec;
    const reader = await relationalReader(source, folder);
    // On one machine, where nobody starts Spark, the same declaration is read through one connection.
    if (read === undefined || process.env[SPARK_APPLICATION] === undefined) return { load, reader };
    const { partitionedReader } = await import("./open-spark.ts");
    return partitioned(load, partitionedReader(source, read.spark, reader));
  }
  const { dynamoReader } = await import("./open-aws.ts");
  return { load: dynamoLoad(source.spec), reader: dynamoReader(source) };
};

/** How far a load is, is told in another way by Spark's parts than by rows: where the reader changes, it begins anew. */
export const partitioned = (
  load: LoadSpec,
  reader: RowReader,
): { readonly load: LoadSpec; readonly reader: RowReader } => ({
  load: { ...load, besides: { read: "spark" } },
  reader,
});

/** What lies in a source's bucket; errors name the source. */
export const openBucket = async ({ connection, spec }: Objects): Promise<SourceObjects> => {
  const { bucketObjects } = await import("./open-aws.ts");
  return namedObjects(spec.name, `the bucket ${connection.bucket}`, bucketObjects(connection));
};

/** @throws SourceProblem `secret` where the password is not in the environment, `tls` without the authority's file */
const relationalReader = async ({ connection, spec }: Relational, folder: string): Promise<JdbcReader> => {
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
