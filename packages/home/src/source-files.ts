/** `ebb.sources.json` of a home's folder, and the readers that it asks for. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { type Source, SourcesInvalid, parseSources } from "@ebb/functions/collect/sources";
import { dynamoLoad, typesOf } from "@ebb/functions/collect/sources/dynamo";
import type { LoadSpec } from "@ebb/functions/collect/sources/load";
import { Clients } from "@ebb/ports/aws/clients";
import { BucketObjects } from "@ebb/ports/aws/source-bucket";
import { readJsonFile } from "@ebb/ports/embedded/private-file";
import { type RowReader, SourceProblem } from "@ebb/ports/source-ports";
import { DynamoExportReader } from "@ebb/ports/source-readers/dynamo-export";
import { exportRequester } from "@ebb/ports/source-readers/dynamo-request";
import { DynamoScanReader } from "@ebb/ports/source-readers/dynamo-scan";
import { MysqlReader } from "@ebb/ports/source-readers/mysql";
import { PostgresReader } from "@ebb/ports/source-readers/postgres";
import { systemClock } from "@ebb/ports/source-readers/unit-budget";

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

const ports = { postgres: 5432, mysql: 3306 } as const;

type Relational = Extract<Source, { kind: "relational" }>;
type Dynamo = Extract<Source, { kind: "dynamodb" }>;

/** What is loaded of a source of rows, and what reads it. @throws SourceProblem */
export const rowsOf = (
  source: Relational | Dynamo,
  folder: string,
): { readonly load: LoadSpec; readonly reader: RowReader } =>
  source.kind === "relational"
    ? { load: source.spec, reader: relationalReader(source, folder) }
    : { load: dynamoLoad(source.spec), reader: dynamoReader(source) };

/** Clients of AWS with the credentials of the environment. */
const clientsOf = ({
  region,
  endpoint,
}: {
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
}) =>
  new Clients({
    ...process.env,
    ...(region === undefined ? {} : { AWS_REGION: region }),
    ...(endpoint === undefined ? {} : { AWS_ENDPOINT_URL: endpoint }),
  });

const dynamoReader = ({ connection, spec }: Dynamo): RowReader => {
  const { name: source, table, read, where, lines } = spec;
  const clients = clientsOf(connection);
  const items = { source, table, types: typesOf(spec), where, list: lines?.list };
  if ("scan" in read)
    return new DynamoScanReader({
      ...items,
      client: clients.dynamo,
      unitsPerSecond: read.scan.units_per_second,
      segments: read.scan.segments,
    });
  const { bucket, prefix, request } = read.export;
  const clock = { ...systemClock, now: Date.now };
  return new DynamoExportReader({
    ...items,
    objects: new BucketObjects(clients.s3, bucket),
    place: `s3://${bucket}/${prefix}`,
    prefix,
    ...(request ? { request: exportRequester({ source, client: clients.dynamo, table, bucket, prefix, clock }) } : {}),
  });
};

/** @throws SourceProblem `secret` where the password is not in the environment, `tls` without the authority's file */
const relationalReader = ({ connection, spec }: Relational, folder: string): RowReader => {
  const { kind, host, port = ports[kind], database, user, password: reference, tls, ca_file: caFile } = connection;
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
    port,
    database,
    user,
    password,
    tls: tls === "off" ? ({ mode: "off" } as const) : { mode: "verify" as const, ...(ca === undefined ? {} : { ca }) },
  };
  return kind === "postgres" ? new PostgresReader(to) : new MysqlReader(to);
};
