/** Addresses by which the other commands of this machine's user talk to the running home. Never part of the API. */
import { timingSafeEqual } from "node:crypto";
import { type HttpResult, json } from "@ebb/functions/runtime/http";
import { Problem, problemResponse } from "@ebb/functions/runtime/problem";
import { RunInProgress, RunRequest } from "@ebb/functions/model/run-request";
import { z } from "zod";
import { sha256 } from "@ebb/core/ids";
import { TaskUnderWay, type HomeTasks, type TaskWork } from "./home-tasks.ts";
import type { Control } from "./http-server.ts";

export interface Controls {
  readonly flush: () => Promise<void>;
  readonly settle: () => Promise<void>;
  /** Begins a batch run; answers its id. */
  readonly run: (request: RunRequest) => Promise<string>;
  readonly status: () => unknown;
  readonly tasks: HomeTasks;
  /** Work that `POST /_ebb/<name>` begins with its query and `GET /_ebb/<name>` looks after. */
  readonly works: Readonly<Record<string, (query: Readonly<Record<string, string>>) => TaskWork>>;
}

export const control = (token: string, { flush, settle, run, status, tasks, works }: Controls): Control => {
  const expected = Buffer.from(sha256(`Bearer ${token}`));
  const actions = new Map<string, (query: string) => Promise<unknown>>([
    ["POST /_ebb/flush", flush],
    ["POST /_ebb/settle", settle],
    ["POST /_ebb/run", async (query) => ({ run_id: await run(requestOf(query)) })],
    ["GET /_ebb/status", async () => status()],
  ]);
  for (const [name, work] of Object.entries(works)) {
    actions.set(`POST /_ebb/${name}`, async (query) =>
      tasks.begin(name, work(Object.fromEntries(new URLSearchParams(query)))),
    );
    actions.set(`GET /_ebb/${name}`, async () => tasks.state(name));
  }
  return (method, path, headers, query) => {
    if (!path.startsWith("/_ebb/")) return undefined;
    return answer(async () => {
      if (!timingSafeEqual(Buffer.from(sha256(headers.authorization ?? "")), expected))
        throw new Problem("unauthorized", "This address takes the token in the folder's home.json.");
      const action = actions.get(`${method} ${path}`);
      if (action === undefined) throw new Problem("not_found", "There is no such control.");
      return (await action(query)) ?? {};
    });
  };
};

/** `as_of=2026-06-01&horizon_days=90&whole=true`, all optional. @throws Problem */
const requestOf = (query: string): RunRequest => {
  const { as_of: asOf, horizon_days: days, whole } = Object.fromEntries(new URLSearchParams(query));
  const parsed = RunRequest.safeParse({
    ...(asOf === undefined ? {} : { asOf }),
    ...(days === undefined ? {} : { horizonDays: Number(days) }),
    ...(whole === undefined ? {} : { whole: whole === "true" }),
    startedBy: "command",
  });
  if (!parsed.success) throw new Problem("invalid_parameter", z.prettifyError(parsed.error));
  return parsed.data;
};

const answer = async (act: () => Promise<unknown>): Promise<HttpResult> => {
  try {
    return json(200, await act());
  } catch (error) {
    if (error instanceof Problem) return problemResponse(error);
    if (error instanceof RunInProgress || error instanceof TaskUnderWay)
      return problemResponse(new Problem("conflict", error.message));
    return problemResponse(new Problem("unavailable", error instanceof Error ? error.message : String(error)));
  }
};
