import { production } from "./settings.ts";

export interface LifecycleRule {
  readonly id: string;
  readonly prefix?: string;
  readonly expireDays?: number;
  /** Older versions stay so long; `noncurrentDays` where absent. */
  readonly olderDays?: number;
  readonly tiers?: readonly { readonly afterDays: number; readonly storageClass: "STANDARD_IA" | "GLACIER_IR" }[];
}

/** Older versions of an object, and parts of an upload that was never finished, are gone after these days. */
const noncurrentDays = 30;
const unfinishedUploadDays = 2;

/**
 * A bucket as every one here is: SSE-KMS with a bucket key, public access blocked and TLS demanded (both by SST's
 * component), a lifecycle, no leftovers of unfinished uploads.
 */
export const privateBucket = (
  name: string,
  options: {
    key: aws.kms.Key;
    rules: readonly LifecycleRule[];
    versioning?: boolean;
    cors?: sst.aws.BucketArgs["cors"];
  },
): sst.aws.Bucket => {
  const bucket = new sst.aws.Bucket(name, {
    versioning: options.versioning ?? false,
    cors: options.cors ?? false,
    // `sst remove` of a trial stage empties its buckets; production's never are.
    transform: { bucket: { forceDestroy: !production } },
  });
  new aws.s3.BucketServerSideEncryptionConfiguration(`${name}Encryption`, {
    bucket: bucket.name,
    rules: [
      {
        applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: options.key.arn },
        bucketKeyEnabled: true,
      },
    ],
  });
  new aws.s3.BucketLifecycleConfiguration(`${name}Lifecycle`, {
    bucket: bucket.name,
    rules: [
      ...options.rules.map((rule) => ({
        id: rule.id,
        status: "Enabled",
        filter: { prefix: rule.prefix ?? "" },
        transitions: rule.tiers?.map(({ afterDays, storageClass }) => ({ days: afterDays, storageClass })),
        expiration: rule.expireDays === undefined ? undefined : { days: rule.expireDays },
        noncurrentVersionExpiration: options.versioning
          ? { noncurrentDays: rule.olderDays ?? noncurrentDays }
          : undefined,
      })),
      {
        id: "leftovers",
        status: "Enabled",
        filter: { prefix: "" },
        ...(options.versioning ? { expiration: { expiredObjectDeleteMarker: true } } : {}),
        abortIncompleteMultipartUpload: { daysAfterInitiation: unfinishedUploadDays },
      },
    ],
  });
  return bucket;
};
