/** One customer as it stands: money, orders, recency at this moment, scores and segment. */
import { type CustomerAggregate, netMinor } from "@ebb/core/customers";
import { type CutPoints, NO_PURCHASE, defaultCutPoints, recencyDays, scoresOf } from "@ebb/core/rfm";
import type { CustomerScores, Ports } from "@ebb/ports";
import { authorize } from "../runtime/authorisation.ts";
import { type HttpHandler, httpHandler, json } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { Problem } from "../runtime/problem.ts";
import { customerKeyOf } from "./customer-key.ts";
import { checkNames } from "./marts/parameters.ts";

export type CustomerPorts = Pick<
  Ports,
  "keys" | "now" | "customers" | "pseudonyms" | "settings" | "scores" | "suppressions"
>;

export const make = (ports: CustomerPorts): HttpHandler => {
  // Until the first are published. Of this process's start, not of the request: a score is not to change by the clock.
  const firstCuts = defaultCutPoints(ports.now());
  return httpHandler(async (event) => {
    await authorize(ports.keys, event);
    checkNames(event, []);
    const key = customerKeyOf(event.pathParameters?.["id"] ?? "", ports.pseudonyms);
    const [erased, states, cuts, ofRun] = await Promise.all([
      ports.suppressions.latest(),
      ports.customers.read([{ customerKey: key, orderKeys: [] }]),
      ports.customers.cutPoints(),
      ports.scores.scores(key),
    ]);
    const customer = states.get(key)?.customer;
    if (customer === undefined || erased.has(key))
      throw new Problem("not_found", "No order of this customer has arrived.");
    const { reportingCurrency } = ports.settings.rates;
    return json(200, {
      ...answerOf(customer, cuts ?? firstCuts, reportingCurrency, ports.now()),
      ...(ofRun === undefined ? {} : scoresOfRun(ofRun)),
    });
  });
};

/** Names of the answer are the lake's column names. Absent: no order counts. */
const answerOf = (customer: CustomerAggregate, cuts: CutPoints, currency: string, nowMs: number) => {
  const scores = scoresOf(customer, cuts);
  const { firstOrderAtMs, lastOrderAtMs } = customer;
  return {
    customer_key: customer.customerKey,
    currency,
    orders: customer.orders,
    gross_minor: customer.grossMinor,
    refunds_minor: customer.refundMinor,
    net_minor: netMinor(customer),
    ...(firstOrderAtMs === undefined ? {} : { first_order_at: new Date(firstOrderAtMs).toISOString() }),
    ...(lastOrderAtMs === undefined
      ? {}
      : {
          last_order_at: new Date(lastOrderAtMs).toISOString(),
          recency_days: recencyDays(lastOrderAtMs, nowMs),
        }),
    segment: scores?.segment ?? NO_PURCHASE,
    ...(scores === undefined
      ? {}
      : {
          scores: { recency: scores.recency, frequency: scores.frequency, monetary: scores.monetary },
        }),
    cut_points_version: cuts.version,
    months: Object.entries(customer.months)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([month, bucket]) => ({
        month,
        orders: bucket.orders,
        gross_minor: bucket.grossMinor,
        refunds_minor: bucket.refundMinor,
      })),
    version: customer.version,
  };
};

/** What the last run said: as of its date, while the figures above are of this moment. */
const scoresOfRun = (scores: CustomerScores) => {
  const { asOf, runId, horizonDays, churnProbability, churnDecile, expectedValueMinor, probabilityActive } = scores;
  const from = { horizon_days: horizonDays, as_of: asOf, run_id: runId };
  return {
    ...(churnProbability === undefined
      ? {}
      : {
          churn: {
            probability: churnProbability,
            decile: churnDecile,
            drivers: (scores.drivers ?? []).map(({ feature, logOdds, inWords }) => ({
              feature,
              log_odds: logOdds,
              words: inWords ?? feature,
              text: driverText(inWords ?? feature, logOdds),
            })),
            ...from,
          },
        }),
    ...(expectedValueMinor === undefined && probabilityActive === undefined
      ? {}
      : { value: { expected_minor: expectedValueMinor, probability_active: probabilityActive, ...from } }),
    ...(scores.cluster === undefined ? {} : { cluster: scores.cluster }),
  };
};

/** Odds are what a factor means something for: a part of 0.7 of the log-odds doubles them. */
const driverText = (words: string, logOdds: number): string =>
  `This customer ${words}: the odds of leaving are ${
    logOdds >= 0
      ? `${Math.exp(logOdds).toFixed(1)} times those of the average customer`
      : `${Math.exp(-logOdds).toFixed(1)} times lower than those of the average customer`
  }.`;

export const handler = onAws(make);
