/** The churn model in use, with its whole card. */
import type { Ports } from "@ebb/ports";
import { authorize } from "../runtime/authorisation.ts";
import { type HttpHandler, httpHandler, json } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { Problem } from "../runtime/problem.ts";
import { currentCard } from "./marts/current-model.ts";
import { checkNames } from "./marts/parameters.ts";

export const make = ({ keys, objects, settings }: Pick<Ports, "keys" | "objects" | "settings">): HttpHandler =>
  httpHandler(async (event) => {
    await authorize(keys, event);
    checkNames(event, []);
    const current = await currentCard(objects);
    if (current === undefined) throw new Problem("not_found", "No run has made a model yet. See /v1/runs.");
    return json(200, {
      run_id: current.runId,
      as_of: `${current.asOf}T00:00:00.000Z`,
      currency: settings.rates.reportingCurrency,
      card: current.card,
    });
  });

export const handler = onAws(make);
