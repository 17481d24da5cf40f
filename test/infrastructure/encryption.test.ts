import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { dig, evaluateStacks, type DeclaredResource, type ResourceGraph } from "./evaluate.ts";
import { listOf, statementsOf } from "./iam.ts";

let graph: ResourceGraph;
before(async () => {
  graph = await evaluateStacks({ stage: "production" });
});

const keyArn = (name: string): string => `arn:aws:kms:us-east-1:123456789012:key/${name}Key`;
/** Holds what everybody may read: site.test.ts. */
const SITE = "DashboardAssetsBucket";
const buckets = (): readonly DeclaredResource[] =>
  graph.ofType("aws:s3/bucket:Bucket").filter(({ name }) => name !== SITE);
/** The one resource of a type that is about this bucket. */
const about = (type: string, bucket: DeclaredResource): DeclaredResource => {
  const found = graph.ofType(type).filter((each) => each.inputs["bucket"] === bucket.name);
  assert.equal(found.length, 1, `${type} of ${bucket.name}`);
  return found[0]!;
};

describe("everything at rest is encrypted", () => {
  it("the stream, under the data key", () => {
    const { inputs } = graph.one("aws:kinesis/stream:Stream");
    assert.equal(inputs["encryptionType"], "KMS");
    assert.equal(inputs["kmsKeyId"], keyArn("Data"));
  });

  it("every bucket by KMS; files of producers and refused rows under the personal key, the rest under the data key", () => {
    const personal = new Set(["UploadFilesBucket", "QuarantineBucket"]);
    assert.ok(buckets().length >= 6);
    for (const bucket of buckets()) {
      const { inputs } = about(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        bucket,
      );
      assert.deepEqual(inputs["rules"], [
        {
          applyServerSideEncryptionByDefault: {
            sseAlgorithm: "aws:kms",
            kmsMasterKeyId: keyArn(personal.has(bucket.name) ? "Personal" : "Data"),
          },
          bucketKeyEnabled: true,
        },
      ]);
    }
  });

  it("every table by KMS; profiles and who is erased under the personal key", () => {
    for (const { name, inputs } of graph.ofType("aws:dynamodb/table:Table"))
      assert.deepEqual(
        inputs["serverSideEncryption"],
        {
          enabled: true,
          kmsKeyArn: keyArn(["ProfilesTable", "SuppressionsTable"].includes(name) ? "Personal" : "Data"),
        },
        name,
      );
  });

  it("every log group, the environment of every function, the alarm topic, Athena's results and Firehose's files", () => {
    for (const { name, inputs } of graph.ofType("aws:cloudwatch/logGroup:LogGroup"))
      assert.equal(inputs["kmsKeyId"], keyArn("Data"), name);
    for (const { name, inputs } of graph.ofType("aws:lambda/function:Function"))
      assert.equal(inputs["kmsKeyArn"], keyArn("Data"), name);
    assert.equal(graph.one("aws:sns/topic:Topic").inputs["kmsMasterKeyId"], keyArn("Data"));
    assert.deepEqual(
      dig(
        graph.one("aws:athena/workgroup:Workgroup").inputs,
        "configuration",
        "resultConfiguration",
        "encryptionConfiguration",
      ),
      { encryptionOption: "SSE_KMS", kmsKeyArn: keyArn("Data") },
    );
    const delivery = graph.one("aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream");
    assert.equal(dig(delivery.inputs, "extendedS3Configuration", "kmsKeyArn"), keyArn("Data"));
  });

  it("by two keys that rotate every year, and the personal one is no service's to use", () => {
    const keys = graph.ofType("aws:kms/key:Key");
    assert.deepEqual(keys.map(({ name }) => name).sort(), ["DataKey", "PersonalKey"]);
    for (const { inputs } of keys) assert.equal(inputs["enableKeyRotation"], true);
    const principals = statementsOf(graph.one("aws:kms/key:Key", "PersonalKey").inputs["policy"]).map(
      (statement) => statement.Principal,
    );
    assert.deepEqual(principals, [{ AWS: ["arn:aws:iam::123456789012:root"] }]);
  });

  it("and a service may use the data key for this account alone", () => {
    for (const statement of statementsOf(graph.one("aws:kms/key:Key", "DataKey").inputs["policy"])) {
      if (statement.Principal === undefined || statement.Principal === "*" || !("Service" in statement.Principal))
        continue;
      assert.match(JSON.stringify(statement.Condition), /123456789012/);
      for (const action of listOf(statement.Action)) assert.doesNotMatch(action, /\*/);
    }
  });
});

describe("a bucket", () => {
  it("refuses what does not come over TLS, for everyone and every action", () => {
    for (const bucket of buckets()) {
      const denied = statementsOf(about("aws:s3/bucketPolicy:BucketPolicy", bucket).inputs["policy"]).filter(
        ({ Effect }) => Effect === "Deny",
      );
      assert.deepEqual(denied, [
        {
          Effect: "Deny",
          Action: ["s3:*"],
          Resource: [`arn:aws:s3:::${bucket.name}`, `arn:aws:s3:::${bucket.name}/*`],
          Principal: { "*": ["*"] },
          Condition: { Bool: { "aws:SecureTransport": ["false"] } },
        },
      ]);
    }
  });

  it("is closed to the public in all four ways, and its policy allows nobody anything", () => {
    for (const bucket of buckets()) {
      const { bucket: _name, ...block } = about(
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        bucket,
      ).inputs;
      assert.deepEqual(block, {
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      });
      for (const statement of statementsOf(about("aws:s3/bucketPolicy:BucketPolicy", bucket).inputs["policy"]))
        assert.equal(statement.Effect, "Deny");
    }
  });
});
