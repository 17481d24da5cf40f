/** How this home stands: events by minute since it started, and how far the stages are behind the log. */
import type { EmbeddedMetrics } from "@ebb/ports/embedded/metrics";
import type { Pulse } from "@ebb/ports";
import type { Progress } from "./progress.ts";

export const homePulse = (counters: EmbeddedMetrics, progress: Progress): Pulse => ({
  read: async (nowMs, minutes) => {
    const lag = (stage: "score" | "landed"): number => Math.max(0, progress.get("head") - progress.get(stage));
    return {
      minutes: counters.minutes(nowMs, minutes),
      stages: [
        { stage: "score", lagRecords: lag("score") },
        { stage: "land", lagRecords: lag("landed") },
      ],
    };
  },
});
