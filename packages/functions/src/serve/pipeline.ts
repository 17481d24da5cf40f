/** How the pipeline stands now: events by minute, and how far the stages are behind. */
import type { Ports } from "@ebb/ports";
import { authorize } from "../runtime/authorisation.ts";
import { type HttpHandler, httpHandler, json } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { checkNames } from "./marts/parameters.ts";

/** What is shown: the last three hours. */
const MINUTES = 180;

export const make = ({ keys, now, pulse }: Pick<Ports, "keys" | "now" | "pulse">): HttpHandler =>
  httpHandler(async (event) => {
    await authorize(keys, event);
    checkNames(event, []);
    const { minutes, stages } = await pulse.read(now(), MINUTES);
    return json(200, {
      stages: stages.map(({ stage, lagRecords, lagMs }) => ({
        stage,
        ...(lagRecords === undefined ? {} : { lag_records: lagRecords }),
        ...(lagMs === undefined ? {} : { lag_ms: lagMs }),
      })),
      minutes: minutes.map(({ atMs, received, quarantined }) => ({
        at: new Date(atMs).toISOString(),
        received,
        quarantined,
      })),
    });
  });

export const handler = onAws(make);
