/** What AWS would answer while the program runs: ARNs, names and the few outputs that components read back. */
const region = "us-east-1";
const account = "123456789012";

/** `service:resource-prefix` of the types whose ARNs permissions name. Logical names stand for physical ones: they are stable. */
const arnShapes: Readonly<Record<string, string>> = {
  "aws:dynamodb/table:Table": `dynamodb:${region}:${account}:table/`,
  "aws:kinesis/stream:Stream": `kinesis:${region}:${account}:stream/`,
  "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream": `firehose:${region}:${account}:deliverystream/`,
  "aws:lambda/function:Function": `lambda:${region}:${account}:function:`,
  "aws:iam/role:Role": `iam::${account}:role/`,
  "aws:s3/bucket:Bucket": "s3:::",
  "aws:sqs/queue:Queue": `sqs:${region}:${account}:`,
  "aws:sns/topic:Topic": `sns:${region}:${account}:`,
  "aws:kms/key:Key": `kms:${region}:${account}:key/`,
  "aws:cloudwatch/logGroup:LogGroup": `logs:${region}:${account}:log-group:`,
  "aws:cloudwatch/metricAlarm:MetricAlarm": `cloudwatch:${region}:${account}:alarm:`,
  "aws:glue/catalogDatabase:CatalogDatabase": `glue:${region}:${account}:database/`,
  "aws:glue/catalogTable:CatalogTable": `glue:${region}:${account}:table/`,
  "aws:athena/workgroup:Workgroup": `athena:${region}:${account}:workgroup/`,
  "aws:secretsmanager/secret:Secret": `secretsmanager:${region}:${account}:secret:`,
  "aws:ssm/parameter:Parameter": `ssm:${region}:${account}:parameter/`,
  "aws:emrserverless/application:Application": `emr-serverless:${region}:${account}:/applications/`,
  "aws:scheduler/schedule:Schedule": `scheduler:${region}:${account}:schedule/default/`,
  "aws:apigatewayv2/api:Api": `apigateway:${region}::/apis/`,
  "aws:cloudfront/distribution:Distribution": `cloudfront::${account}:distribution/`,
  "aws:cloudfront/function:Function": `cloudfront::${account}:function/`,
  "aws:cloudfront/keyValueStore:KeyValueStore": `cloudfront::${account}:key-value-store/`,
};

export const arnOf = (type: string, name: string): string =>
  `arn:aws:${arnShapes[type] ?? `mock:${region}:${account}:`}${name}`;

/** The inputs and what AWS would add to them. */
export const outputsOf = (
  type: string,
  name: string,
  inputs: Readonly<Record<string, unknown>>,
): Record<string, unknown> => {
  const arn = arnOf(type, name);
  return {
    ...inputs,
    arn,
    name: type === "aws:kinesis/stream:Stream" || type === "aws:dynamodb/table:Table" ? name : (inputs["name"] ?? name),
    ...(type === "aws:s3/bucket:Bucket"
      ? { bucket: name, bucketRegionalDomainName: `${name}.s3.${region}.amazonaws.com` }
      : {}),
    ...(type === "aws:lambda/function:Function"
      ? { name, qualifiedArn: `${arn}:1`, version: "1", invokeArn: arn, responseStreamingInvokeArn: arn }
      : {}),
    ...(type === "aws:kms/key:Key" ? { keyId: name } : {}),
    ...(type === "aws:lambda/eventSourceMapping:EventSourceMapping" ? { uuid: `${name}-uuid` } : {}),
    ...(type === "aws:ec2/vpcEndpoint:VpcEndpoint" ? { prefixListId: `pl-${name}` } : {}),
    ...(type === "aws:apigatewayv2/api:Api"
      ? { apiEndpoint: "https://api.example.invalid", executionArn: `arn:aws:execute-api:${region}:${account}:${name}` }
      : {}),
    ...(type === "aws:cloudfront/distribution:Distribution" ? { domainName: "site.example.invalid" } : {}),
    ...(type === "random:index/randomBytes:RandomBytes" ? { base64: "AAAA" } : {}),
  };
};

interface Statement {
  readonly sid?: string;
  readonly effect?: string;
  readonly actions?: readonly string[];
  readonly resources?: readonly string[];
  readonly principals?: readonly { readonly type: string; readonly identifiers: readonly string[] }[];
  readonly conditions?: readonly {
    readonly test: string;
    readonly variable: string;
    readonly values: readonly string[];
  }[];
}

/** By test, then by variable: several variables of one test stand under it together. */
const conditions = (of: NonNullable<Statement["conditions"]>): Record<string, Record<string, readonly string[]>> => {
  const byTest: Record<string, Record<string, readonly string[]>> = {};
  for (const { test, variable, values } of of) byTest[test] = { ...byTest[test], [variable]: values };
  return byTest;
};

/** What `aws.iam.getPolicyDocument` answers: the document as AWS takes it. */
const policyDocument = (inputs: Readonly<Record<string, unknown>>): Record<string, unknown> => {
  const statements = (inputs["statements"] ?? []) as readonly Statement[];
  return {
    statements,
    json: JSON.stringify({
      Version: "2012-10-17",
      Statement: statements.map((statement) => ({
        ...(statement.sid === undefined ? {} : { Sid: statement.sid }),
        Effect: statement.effect ?? "Allow",
        Action: statement.actions ?? [],
        ...(statement.resources === undefined ? {} : { Resource: statement.resources }),
        ...(statement.principals === undefined
          ? {}
          : {
              Principal: Object.fromEntries(statement.principals.map(({ type, identifiers }) => [type, identifiers])),
            }),
        ...(statement.conditions === undefined
          ? {}
          : {
              Condition: conditions(statement.conditions),
            }),
      })),
    }),
  };
};

/** @throws Error on a data source that is not known here: guessing would make a test pass on nothing. */
export const answerCall = (token: string, inputs: Readonly<Record<string, unknown>>): Record<string, unknown> => {
  const name = token.slice(token.lastIndexOf(":") + 1);
  switch (name) {
    case "getRegion":
      return { region, name: region, id: region };
    case "getCallerIdentity":
      return { accountId: account };
    case "getPartition":
      return { partition: "aws", dnsSuffix: "amazonaws.com" };
    case "getPolicyDocument":
      return policyDocument(inputs);
    default: {
      const message = `The program calls ${token}, which the evaluation does not know.`;
      // Pulumi shows `details` of a failed call, as gRPC has it, and not the message.
      throw Object.assign(new Error(message), { details: message });
    }
  }
};
