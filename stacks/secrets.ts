/**
 * Secrets of a deployment, set by `sst secret set <name> <value>` before the first deploy (docs/deploy.md says how to make
 * each). Functions get them as environment variables, encrypted under the data key.
 */
export const secretNames = ["CustomerSecret", "SuppressionSecret", "HookSecrets"] as const;
export type SecretName = (typeof secretNames)[number];
