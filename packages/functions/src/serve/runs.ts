/** The trail of the batch runs: what each did, step by step, with its figures. */
import type { Ports, Run } from "@ebb/ports";
import { authorize } from "../runtime/authorisation.ts";
import { type HttpHandler, httpHandler, json } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { Problem } from "../runtime/problem.ts";
import { pageFrom, pageOf } from "./paging.ts";
import { checkNames } from "./marts/parameters.ts";

export const make = ({ keys, runs }: Pick<Ports, "keys" | "runs">): HttpHandler =>
  httpHandler(async (event) => {
    await authorize(keys, event);
    const id = event.pathParameters?.["id"];
    if (id !== undefined) {
      checkNames(event, []);
      const run = await runs.get(id);
      if (run === undefined) throw new Problem("not_found", "No run has this id.");
      return json(200, answerOf(run));
    }
    const { runs: listed, cursor } = await pageFrom(runs.list(pageOf(event)));
    return json(200, { runs: listed.map(answerOf), ...(cursor === undefined ? {} : { cursor }) });
  });

const iso = (atMs: number | undefined): string | undefined =>
  atMs === undefined ? undefined : new Date(atMs).toISOString();

const answerOf = (run: Run) => ({
  run_id: run.runId,
  as_of: run.asOf,
  horizon_days: run.horizonDays,
  state: run.state,
  started_by: run.startedBy,
  started_at: iso(run.startedAtMs),
  ended_at: iso(run.endedAtMs),
  reason: run.reason,
  steps: run.steps.map((step) => ({
    name: step.name,
    state: step.state,
    started_at: iso(step.startedAtMs),
    ended_at: iso(step.endedAtMs),
    figures: step.figures,
    reason: step.reason,
  })),
});

export const handler = onAws(make);
