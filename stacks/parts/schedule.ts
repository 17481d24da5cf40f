import { dataKey } from "./keys.ts";
import { scheduleTimeZone } from "./settings.ts";

/** Starts that a schedule gave up: the event, and why. */
export const missed = new sst.aws.Queue("MissedStarts", {
  transform: {
    queue: (args) => {
      args.kmsMasterKeyId = dataKey.arn;
      args.messageRetentionSeconds = 14 * 86_400;
      return undefined;
    },
  },
});

/** A time of day, on each day or one of the week; or seconds between two starts, a multiple of 60. */
type When = { readonly at: string; readonly onDay?: string | undefined } | { readonly every: number };

const expressionOf = (when: When): `rate(${string})` | `cron(${string})` => {
  if ("every" in when) return `rate(${when.every / 60} ${when.every === 60 ? "minute" : "minutes"})`;
  const [hour, minute] = when.at.split(":").map(Number);
  return `cron(${minute} ${hour} ${when.onDay === undefined ? "* * ? *" : `? * ${when.onDay} *`})`;
};

export interface ScheduledArgs {
  readonly target: sst.aws.Workflow | sst.aws.Function;
  readonly schedule: When;
  readonly event: Readonly<Record<string, string>>;
  /** Starts that fail are made again this often, for this long. */
  readonly maximumRetryAttempts: number;
  readonly maximumEventAgeSeconds: number;
}

/** Something starts by the clock, in the time zone of the deployment. */
export const scheduled = (name: string, args: ScheduledArgs): void => {
  new sst.aws.CronV2(name, {
    function: args.target,
    schedule: expressionOf(args.schedule),
    timezone: scheduleTimeZone,
    event: args.event,
    retries: args.maximumRetryAttempts,
    dlq: missed.arn,
    transform: {
      schedule: (schedule) => {
        schedule.kmsKeyArn = dataKey.arn;
        schedule.target = $output(schedule.target).apply((given) => ({
          ...given,
          retryPolicy: { ...given.retryPolicy, maximumEventAgeInSeconds: args.maximumEventAgeSeconds },
        }));
        return undefined;
      },
      role: (role) => {
        role.inlinePolicies = $output(role.inlinePolicies).apply((policies) => [
          ...(policies ?? []),
          {
            name: "encrypted",
            policy: aws.iam.getPolicyDocumentOutput({
              statements: [{ actions: ["kms:Decrypt", "kms:GenerateDataKey"], resources: [dataKey.arn] }],
            }).json,
          },
        ]);
        return undefined;
      },
    },
  });
};
