import type { MetricName } from "@ebb/ports/metric-names";
import { dataKey } from "./keys.ts";
import { alarmEmail, metricsNamespace, namePrefix } from "./settings.ts";

/** Every alarm and the budget speak here. */
export const alarmTopic = new sst.aws.SnsTopic("Alarms", { transform: { topic: { kmsMasterKeyId: dataKey.arn } } });

new aws.sns.TopicPolicy("AlarmsPolicy", {
  arn: alarmTopic.arn,
  policy: aws.iam.getPolicyDocumentOutput({
    statements: [
      {
        sid: "AlarmsAndBudget",
        actions: ["sns:Publish"],
        resources: [alarmTopic.arn],
        principals: [{ type: "Service", identifiers: ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"] }],
        conditions: [
          { test: "StringEquals", variable: "aws:SourceAccount", values: [aws.getCallerIdentityOutput().accountId] },
        ],
      },
    ],
  }).json,
});

if (alarmEmail !== "")
  new aws.sns.TopicSubscription("AlarmsEmail", { topic: alarmTopic.arn, protocol: "email", endpoint: alarmEmail });

type Dimensions = Record<string, $util.Input<string>>;

export interface Metric {
  readonly namespace: string;
  readonly metricName: string;
  readonly dimensions?: Dimensions;
  readonly statistic: "Sum" | "Average" | "Maximum" | "Minimum";
}

/** A metric of our own, as Powertools writes it (packages/ports/src/aws/metrics.ts): the service, and what the code adds. */
export const counted = (name: MetricName, dimensions: Dimensions = {}): Metric => ({
  namespace: metricsNamespace,
  metricName: name,
  dimensions: { service: "ebb", ...dimensions },
  statistic: "Sum",
});

export interface AlarmArgs {
  /** Of one of several: part of the alarm's name and not of its section's. */
  readonly of?: string;
  /** What to do, one sentence; docs/operations.md has the section of the same name with the rest. */
  readonly todo: string;
  readonly metric: Metric;
  readonly above?: number;
  readonly below?: number;
  readonly periodSeconds?: number;
  /** Periods in a row that must be out of bounds. */
  readonly periods?: number;
  /** No data is an alarm as well: for what must happen by itself. */
  readonly expected?: boolean;
  /** Divides `metric`; the alarm is then on the ratio, and quiet below `atLeast` of the divisor a period. */
  readonly per?: { readonly metric: Metric; readonly atLeast: number };
}

const resourceName = (name: string): string =>
  name.replace(/(^|-)([a-z0-9])/g, (_match, _dash: string, letter: string) => letter.toUpperCase());

/** An alarm named `<app>-<stage>-<name>`. Missing data is no alarm unless `expected`: most metrics here are absent while nothing happens. */
export const alarm = (name: string, args: AlarmArgs): aws.cloudwatch.MetricAlarm => {
  const threshold = args.above ?? args.below;
  if (threshold === undefined) throw new Error(`The alarm ${name} has no threshold.`);
  const period = args.periodSeconds ?? 300;
  const single = { ...args.metric, period };
  const query = (id: string, metric: Metric) => ({
    id,
    metric: {
      namespace: metric.namespace,
      metricName: metric.metricName,
      dimensions: metric.dimensions,
      stat: metric.statistic,
      period,
    },
  });
  const whole = args.of === undefined ? name : `${name}-${args.of}`;
  return new aws.cloudwatch.MetricAlarm(`${resourceName(whole.replaceAll("_", "-"))}Alarm`, {
    name: `${namePrefix}-${whole}`,
    alarmDescription: `${args.todo} See docs/operations.md, "${name}".`,
    comparisonOperator: args.above === undefined ? "LessThanThreshold" : "GreaterThanThreshold",
    threshold,
    evaluationPeriods: args.periods ?? 1,
    treatMissingData: args.expected === true ? "breaching" : "notBreaching",
    alarmActions: [alarmTopic.arn],
    okActions: [alarmTopic.arn],
    ...(args.per === undefined
      ? single
      : {
          metricQueries: [
            query("part", args.metric),
            query("whole", args.per.metric),
            {
              id: "ratio",
              // No FILL: without a refused event there is no point, and no point is no alarm.
              expression: `IF(whole >= ${args.per.atLeast}, part / whole, 0)`,
              label: name,
              returnData: true,
            },
          ],
        }),
  });
};
