/** What this home tells of itself: room on its disk, stages that run and keep up. */
import { statfsSync } from "node:fs";
import type { Vitals } from "@ebb/ports";
import type { Progress } from "./progress.ts";
import type { Stages } from "./stages.ts";

/**
 * With less free space nothing more is taken in: what was acknowledged still has to be scored and landed, which needs room,
 * and a query to find out what takes the space does too.
 */
const LEAST_FREE_BYTES = 200_000_000;
const LOOK_EVERY_MS = 1_000;

export class DiskWatch {
  readonly #folder: string;
  #lookedMs = -Infinity;
  #free = Infinity;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** A sentence when nothing more is to be taken in. A small disk is not nearly full when it is as empty as it can be. */
  overloaded(): string | undefined {
    const nowMs = performance.now();
    if (nowMs - this.#lookedMs > LOOK_EVERY_MS) {
      this.#lookedMs = nowMs;
      const { bavail, blocks, bsize } = statfsSync(this.#folder);
      this.#free = bavail * bsize - Math.min(LEAST_FREE_BYTES, (blocks * bsize) / 20);
    }
    return this.#free < 0 ? "The disk is nearly full. Send it again when there is room." : undefined;
  }
}

/** Records by which a stage that keeps up is behind at most; beyond it the home answers late, yet loses nothing. */
const BEHIND_RECORDS = 50_000;

export const homeVitals = (disk: DiskWatch, stages: Stages, progress: Progress): Vitals => ({
  check: async () => {
    const full = disk.overloaded();
    const status = stages.status();
    return [
      { name: "disk", ok: full === undefined, ...(full === undefined ? {} : { detail: full }) },
      ...(["score", "land"] as const).map((stage) => {
        const state = status[stage]?.state ?? "stopped";
        const lag = progress.get("head") - progress.get(stage);
        const ok = state === "running" && lag < BEHIND_RECORDS;
        return {
          name: stage,
          ok,
          ...(ok ? {} : { detail: state === "running" ? "It is behind." : `It is ${state}.` }),
        };
      }),
    ];
  },
});
