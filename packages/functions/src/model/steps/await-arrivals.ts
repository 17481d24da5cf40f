/** The lake must hold what came in before the run began: a run that reads half a day says that half its customers left. */
import type { RunModelPorts } from "../run-model-ports.ts";
import type { RunPlan } from "../run-request.ts";
import { type RunSteps, StepFailed } from "../run-steps.ts";

const LOOK_SECONDS = 60;
/** Landing is minutes behind, not hours: more than that is an alarm of the land stage. */
const LONGEST_MS = 6 * 3_600_000;

export const awaitArrivals = async (steps: RunSteps, plan: RunPlan, ports: RunModelPorts): Promise<void> => {
  const missing = await steps.waitFor(
    "arrivals",
    LOOK_SECONDS,
    async () => {
      const missing = await ports.arrivals.missing(plan.startedAtMs);
      return missing === 0 || ports.now() - plan.startedAtMs > LONGEST_MS ? missing : undefined;
    },
    (missing) => ({ "events missing": missing }),
  );
  if (missing > 0)
    throw new StepFailed(`${missing} events that were taken in before the run began have not landed after six hours.`);
};
