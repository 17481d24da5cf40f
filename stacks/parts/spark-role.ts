/** What Spark on EMR Serverless is deployed with, whoever starts it: the program that jobs run, and the role they run with. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { lakeBucket, statementsOf, type Grant } from "../shared.ts";
import { namePrefix } from "./settings.ts";

const account = aws.getCallerIdentityOutput().accountId;

/**
 * A program of packages/lake/spark in the lake's bucket, under a name that changes with it: a job keeps the one it began with.
 * @param name of the file, without `.py`
 */
export const sparkProgram = (logicalName: string, name: string): aws.s3.BucketObjectv2 => {
  const text = readFileSync(path.join($cli.paths.root, `packages/lake/spark/${name}.py`), "utf8");
  return new aws.s3.BucketObjectv2(logicalName, {
    bucket: lakeBucket.name,
    key: `spark/${name}-${createHash("sha256").update(text).digest("hex").slice(0, 12)}.py`,
    content: text,
    contentType: "text/x-python",
  });
};

/** The role of one application's jobs: nothing else takes it on. */
export const sparkRole = (
  logicalName: string,
  application: aws.emrserverless.Application,
  { name, policy, grants }: { readonly name: string; readonly policy: string; readonly grants: readonly Grant[] },
): aws.iam.Role =>
  new aws.iam.Role(logicalName, {
    name: `${namePrefix}-${name}`,
    assumeRolePolicy: aws.iam.getPolicyDocumentOutput({
      statements: [
        {
          actions: ["sts:AssumeRole"],
          principals: [{ type: "Service", identifiers: ["emr-serverless.amazonaws.com"] }],
          conditions: [
            { test: "StringEquals", variable: "aws:SourceAccount", values: [account] },
            { test: "ArnEquals", variable: "aws:SourceArn", values: [application.arn] },
          ],
        },
      ],
    }).json,
    inlinePolicies: [
      { name: policy, policy: aws.iam.getPolicyDocumentOutput({ statements: statementsOf(grants) }).json },
    ],
  });
