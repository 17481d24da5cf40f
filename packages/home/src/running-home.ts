/** Talking to the home that has a folder open, from another process. */
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { type RunningHome, readFirstKeys, readRunning } from "./home-folder.ts";

export class NoHome extends Error {
  override readonly name = "NoHome";
}

export interface Reached extends RunningHome {
  readonly folder: string;
  readonly writeKey: string | undefined;
}

/** @throws NoHome when none is running there */
export const reachHome = async (data: string | undefined): Promise<Reached> => {
  const folder = path.resolve(data ?? ".ebb");
  const running = readRunning(folder);
  const answers =
    running !== undefined &&
    (await control(running, "GET", "status").then(
      (response) => response.ok,
      () => false,
    ));
  if (running === undefined || !answers)
    throw new NoHome(
      `No home is running in ${folder}. Start it with ebb start${data === undefined ? "" : ` --data ${data}`}.`,
    );
  return { ...running, folder, writeKey: readFirstKeys(folder)?.writeKey };
};

export const control = (
  running: RunningHome,
  method: "GET" | "POST",
  action: "status" | "flush" | "settle",
): Promise<Response> =>
  fetch(`${running.url}/_ebb/${action}`, { method, headers: { authorization: `Bearer ${running.controlToken}` } });

/** What a command sees of work that the home does for it. */
const Task = z.object({
  state: z.enum(["running", "done", "failed"]),
  done: z.number(),
  share: z.number(),
  result: z.unknown().optional(),
  reason: z.string().optional(),
});

/** The home could not do what it was asked for; its own words. */
export class TaskFailed extends Error {
  override readonly name = "TaskFailed";
}

const LOOK_EVERY_MS = 200;

/**
 * Has the home do a task, and answers what it answers. The task goes on when nobody looks after it any more.
 * @throws TaskFailed
 */
export const task = async (
  running: Pick<RunningHome, "url" | "controlToken">,
  name: string,
  query: Readonly<Record<string, string>>,
  onProgress: (done: number, share: number) => void,
): Promise<unknown> => {
  const call = async (method: "GET" | "POST", parameters = ""): Promise<unknown> => {
    const response = await fetch(`${running.url}/_ebb/${name}${parameters}`, {
      method,
      headers: { authorization: `Bearer ${running.controlToken}` },
    });
    const body = (await response.json()) as { detail?: string };
    if (!response.ok) throw new TaskFailed(body.detail ?? `The home answered ${response.status}.`);
    return body;
  };
  await call("POST", `?${new URLSearchParams(query).toString()}`);
  for (;;) {
    const { state, done, share, result, reason } = Task.parse(await call("GET"));
    onProgress(done, share);
    if (state === "done") return result;
    if (state === "failed") throw new TaskFailed(reason ?? "The home gave no reason.");
    await delay(LOOK_EVERY_MS);
  }
};
