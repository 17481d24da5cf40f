/** Large tables in AWS, read by the Spark application that a source has there (stacks/sources.ts). */
import { getCACertificates } from "node:tls";
import { Clients } from "@ebb/ports/aws/clients";
import { S3ObjectStore } from "@ebb/ports/aws/object-store";
import { driverJars } from "@ebb/ports/aws/read-parameters";
import { SparkReads } from "@ebb/ports/aws/spark-reads";
import type { JdbcReader } from "@ebb/ports/source-readers/jdbc";
import { PartitionedReader } from "@ebb/ports/source-readers/partitioned";
import type { Source } from "../sources.ts";

type Relational = Extract<Source, { kind: "relational" }>;
type Spark = NonNullable<Relational["spec"]["read"]>["spark"];

/** What the ordinary reader trusts too: Node's authorities, and those of Amazon RDS that the environment names. */
export const trustedAuthorities = (): string => getCACertificates("default").join("\n");

/** @throws Error for a variable that the environment lacks */
export const partitionedReader = (
  { connection, spec }: Relational,
  spark: Spark,
  database: JdbcReader,
): PartitionedReader => {
  const clients = new Clients(process.env);
  const variable = (name: string): string => {
    const value = process.env[name];
    if (value === undefined || value === "") throw new Error(`The environment lacks ${name}, by which Spark reads.`);
    return value;
  };
  const bucket = variable("EBB_LAKE_BUCKET");
  const reads = new SparkReads(clients.emr, new S3ObjectStore(clients.s3, bucket, Date.now), {
    source: spec.name,
    lake: `s3://${bucket}`,
    applicationId: variable("EBB_SPARK_APPLICATION"),
    roleArn: variable("EBB_SPARK_ROLE"),
    entryPoint: variable("EBB_SPARK_ENTRY_POINT"),
    submitParameters: variable("EBB_SPARK_PARAMETERS"),
    driver: variable("EBB_SPARK_DRIVER"),
    driverSha256: driverJars[connection.kind].sha256,
    secret: process.env["EBB_SPARK_SECRET"],
  });
  return new PartitionedReader(database, reads, optionsOf(spec, spark));
};

export const optionsOf = (
  { name, fields }: Pick<Relational["spec"], "name" | "fields">,
  { partition_column: partitionColumn, partitions, loads }: Spark,
) => ({
  source: name,
  customer: fields["customer_id"],
  partitionColumn,
  partitions,
  loads,
  authorities: trustedAuthorities,
});
