/** Talking to the home that has a folder open, from another process. */
import path from "node:path";
import { type RunningHome, readFirstKeys, readRunning } from "./home-folder.ts";

export class NoHome extends Error {
  override readonly name = "NoHome";
}

export interface Reached extends RunningHome {
  readonly folder: string;
  readonly writeKey: string | undefined;
  readonly readKey: string | undefined;
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
  const keys = readFirstKeys(folder);
  return { ...running, folder, writeKey: keys?.writeKey, readKey: keys?.readKey };
};

export const control = (
  running: RunningHome,
  method: "GET" | "POST",
  action: "status" | "flush" | "settle",
): Promise<Response> =>
  fetch(`${running.url}/_ebb/${action}`, { method, headers: { authorization: `Bearer ${running.controlToken}` } });
