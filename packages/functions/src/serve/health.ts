/** Whether requests are taken: for load balancers, for scripts that wait for a start. Says nothing else. */
import { type HttpHandler, httpHandler, json } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";

export const make = (): HttpHandler => httpHandler(async () => json(200, { status: "ok" }));

export const handler = onAws(make);
