/** Sources in AWS, with the credentials of the environment. */
import type { Source } from "../sources.ts";
import { typesOf } from "./dynamo.ts";
import { Clients } from "@ebb/ports/aws/clients";
import { BucketObjects } from "@ebb/ports/aws/source-bucket";
import type { RowReader } from "@ebb/ports/source-ports";
import { DynamoExportReader } from "@ebb/ports/source-readers/dynamo-export";
import { exportRequester } from "@ebb/ports/source-readers/dynamo-request";
import { DynamoScanReader } from "@ebb/ports/source-readers/dynamo-scan";
import { systemClock } from "@ebb/ports/source-readers/unit-budget";

interface Place {
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
}

const clientsOf = ({ region, endpoint }: Place): Clients =>
  new Clients({
    ...process.env,
    ...(region === undefined ? {} : { AWS_REGION: region }),
    ...(endpoint === undefined ? {} : { AWS_ENDPOINT_URL: endpoint }),
  });

export const bucketObjects = ({ bucket, ...place }: Place & { readonly bucket?: string | undefined }): BucketObjects =>
  new BucketObjects(clientsOf(place).s3, bucket!);

export const dynamoReader = ({ connection, spec }: Extract<Source, { kind: "dynamodb" }>): RowReader => {
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
