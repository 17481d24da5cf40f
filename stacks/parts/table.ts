import { limits } from "@ebb/core/limits";
import { production } from "./settings.ts";

/**
 * A DynamoDB table as every one here is: on demand, its own KMS key, point-in-time recovery, and in production protected
 * from deletion. `pk` is the partition key. Backups reach back as far as the longest retention of refused rows, not
 * DynamoDB's 35 days: that window is part of the bound within which an erased customer is gone everywhere.
 */
export const table = (
  name: string,
  options: {
    key: aws.kms.Key;
    fields: Record<string, "string" | "number"> & { pk: "string" };
    rangeKey?: string;
    /** Has the index `newest`: items spread over `shard`s, each in the order of `at`. */
    listedByTime?: boolean;
  },
): sst.aws.Dynamo =>
  new sst.aws.Dynamo(name, {
    fields: options.listedByTime ? { ...options.fields, shard: "string", at: "string" } : options.fields,
    primaryIndex: { hashKey: "pk", ...(options.rangeKey === undefined ? {} : { rangeKey: options.rangeKey }) },
    ...(options.listedByTime ? { globalIndexes: { newest: { hashKey: "shard", rangeKey: "at" } } } : {}),
    deletionProtection: production,
    transform: {
      table: {
        serverSideEncryption: { enabled: true, kmsKeyArn: options.key.arn },
        pointInTimeRecovery: { enabled: true, recoveryPeriodInDays: limits.quarantineDays },
      },
    },
  });
