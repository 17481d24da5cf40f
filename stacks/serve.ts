/** Serve: the read side of the API, and what keeps the whole deployment within its budget. */
import { alarmTopic } from "./parts/alarm.ts";
import { api, serveRoutes } from "./parts/api.ts";
import { monthlyBudgetUsd, namePrefix } from "./parts/settings.ts";

serveRoutes("serve");

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
