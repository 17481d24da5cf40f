/** What a step of a batch run needs where it asks no engine: objects and the trail of runs, in memory. */
import { Readable } from "node:stream";
import { ObjectNotFound, type ObjectStore, type Run } from "@ebb/ports";

export const memoryRun = () => {
  const stored = new Map<string, Buffer>();
  const objects: Pick<ObjectStore, "get" | "put"> = {
    async put(key, body) {
      stored.set(key, Buffer.from(body as Uint8Array));
    },
    async get(key) {
      const body = stored.get(key);
      if (body === undefined) throw new ObjectNotFound(key);
      return Readable.from([body]);
    },
  };
  const trail = new Map<string, Run>();
  const runs = {
    lock: async () => true,
    get: async (runId: string) => trail.get(runId),
    put: async (run: Run) => void trail.set(run.runId, run),
  };
  return { stored, objects, trail, ports: { now: () => 0, objects, runs } };
};
