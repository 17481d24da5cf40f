/** Two keys: one for the stream, the lake and what is derived; one for what is personal, so that it can be cut off alone. */
import { namePrefix } from "./settings.ts";

const region = aws.getRegionOutput().region;
const account = aws.getCallerIdentityOutput().accountId;

const administration = {
  sid: "AccountAdministration",
  actions: ["kms:*"],
  resources: ["*"],
  principals: [{ type: "AWS", identifiers: [$interpolate`arn:aws:iam::${account}:root`] }],
};

const encryptionKey = (
  name: string,
  description: string,
  statements: aws.types.input.iam.GetPolicyDocumentStatementArgs[],
) => {
  const key = new aws.kms.Key(`${name}Key`, {
    description,
    enableKeyRotation: true,
    deletionWindowInDays: 30,
    policy: aws.iam.getPolicyDocumentOutput({ statements: [administration, ...statements] }).json,
  });
  new aws.kms.Alias(`${name}KeyAlias`, { name: `alias/${namePrefix}-${name.toLowerCase()}`, targetKeyId: key.keyId });
  return key;
};

/** In a key's own policy "*" means that key. */
const thisKey = ["*"];

export const dataKey = encryptionKey("Data", "Ebb: stream, lake, tables, logs", [
  {
    sid: "LogGroups",
    actions: [
      "kms:Encrypt",
      "kms:Decrypt",
      "kms:ReEncryptFrom",
      "kms:ReEncryptTo",
      "kms:GenerateDataKey",
      "kms:DescribeKey",
    ],
    resources: thisKey,
    principals: [{ type: "Service", identifiers: [$interpolate`logs.${region}.amazonaws.com`] }],
    conditions: [
      {
        test: "ArnLike",
        variable: "kms:EncryptionContext:aws:logs:arn",
        values: [$interpolate`arn:aws:logs:${region}:${account}:log-group:*`],
      },
    ],
  },
  {
    sid: "AlarmsAndBudgetToTopic",
    actions: ["kms:Decrypt", "kms:GenerateDataKey"],
    resources: thisKey,
    principals: [{ type: "Service", identifiers: ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"] }],
    conditions: [{ test: "StringEquals", variable: "aws:SourceAccount", values: [account] }],
  },
]);

export const personalKey = encryptionKey("Personal", "Ebb: profiles and kept originals, the only personal data", []);
