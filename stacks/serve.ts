/** Serve: the read side of the API, and what keeps the whole deployment within its budget. */
import type { Grant } from "./shared.ts";
import { dataKey } from "./parts/keys.ts";
import {
  database,
  defaultDatabase,
  delivery,
  glueArn,
  queryResults,
  resultsOfStatements,
  statements,
  workgroup,
} from "./land.ts";
import { foldOrders } from "./score.ts";
import { lakeBucket } from "./shared.ts";
import { alarmTopic } from "./parts/alarm.ts";
import type { Beside } from "./parts/function.ts";
import { api, serveRoutes, type Besides, type Supplies } from "./parts/api.ts";
import { monthlyBudgetUsd, namePrefix } from "./parts/settings.ts";
import { site } from "./parts/site.ts";
import { besideSources, states } from "./parts/sources.ts";

// ── the API ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** SELECTs over the tables of the lake: they write nothing but their own results. */
const reading: readonly Grant[] = [
  statements,
  {
    actions: ["glue:GetDatabase", "glue:GetTable"],
    resources: [
      glueArn("catalog"),
      glueArn($interpolate`database/${database.name}`),
      glueArn($interpolate`table/${database.name}/*`),
    ],
  },
  defaultDatabase,
  { actions: ["s3:ListBucket", "s3:GetBucketLocation"], resources: [lakeBucket.arn, queryResults.arn] },
  { actions: ["s3:GetObject"], resources: [$interpolate`${lakeBucket.arn}/tables/*`] },
  resultsOfStatements,
  { actions: ["kms:Decrypt", "kms:GenerateDataKey"], resources: [dataKey.arn] },
];

/** What is declared and what stands of it: which tables there are, with which columns, and when each was loaded. */
const catalogued = (table: sst.aws.Dynamo, beside: Beside): Besides[string] => ({
  grants: [
    { actions: ["dynamodb:GetItem"], resources: [table.arn] },
    // Without it S3 answers 403 and not 404 for a table that was never filled.
    { actions: ["s3:ListBucket"], resources: [lakeBucket.arn] },
    { actions: ["s3:GetObject"], resources: [$interpolate`${lakeBucket.arn}/sources/tables/*`] },
  ],
  beside: { ...beside, environment: { ...beside.environment, EBB_UPLOAD_BUCKET: lakeBucket.name } },
});

/** What declared sources have told, where there are any. */
const besides: Besides =
  states === undefined || besideSources === undefined
    ? {}
    : {
        "serve/quality": {
          grants: [{ actions: ["dynamodb:Query"], resources: [states.arn] }],
          beside: besideSources,
        },
        "serve/catalogue": catalogued(states, besideSources),
        "serve/customer-timeline": catalogued(states, besideSources),
        "serve/customer-export": catalogued(states, besideSources),
      };

const supplies: Supplies = {
  "queries:read": {
    grants: reading,
    variables: { EBB_ATHENA_WORKGROUP: workgroup.name, EBB_GLUE_DATABASE: database.name },
  },
  "metrics:read": {
    // Takes no resource and no condition on a namespace (Service Authorization Reference, CloudWatch).
    grants: [{ actions: ["cloudwatch:GetMetricData"], resources: ["*"] }],
    variables: { EBB_SCORE_FUNCTION: foldOrders.name, EBB_DELIVERY_STREAM: delivery.name },
  },
};
serveRoutes("serve", supplies, besides);

// ── the budget ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Counts what carries the deployment's cost tag; the tag must be activated once in the billing console. */
new aws.budgets.Budget("MonthlyBudget", {
  name: `${namePrefix}-monthly`,
  budgetType: "COST",
  timeUnit: "MONTHLY",
  limitAmount: String(monthlyBudgetUsd),
  limitUnit: "USD",
  costFilters: [{ name: "TagKeyValue", values: [`user:ebb:cost$${namePrefix}`] }],
  notifications: [
    { notificationType: "ACTUAL", threshold: 80 },
    { notificationType: "ACTUAL", threshold: 100 },
    { notificationType: "FORECASTED", threshold: 100 },
  ].map((notification) => ({
    ...notification,
    thresholdType: "PERCENTAGE",
    comparisonOperator: "GREATER_THAN",
    subscriberSnsTopicArns: [alarmTopic.arn],
  })),
});

export const url = api.url;
export const dashboard = site.url;
