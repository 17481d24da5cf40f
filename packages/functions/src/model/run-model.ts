/**
 * The batch run: one workflow for both homes. Each step is named, remembered and safe to repeat; after a crash the run
 * goes on at the step where it stopped.
 */
import { dayOf } from "@ebb/lake/batch/literals";
import type { Run, WorkflowContext } from "@ebb/ports";
import type { RunModelPorts } from "./run-model-ports.ts";
import { withSources } from "./sources-on-aws.ts";
import { scheduledDay, workflowOnAws } from "../runtime/workflow-on-aws.ts";
import { type RunPlan, RunInProgress, RunRequest, freeRunId, horizonOf } from "./run-request.ts";
import { RunSteps, endedRun } from "./run-steps.ts";
import { awaitArrivals } from "./steps/await-arrivals.ts";
import { findChangedOrders, rememberOrders } from "./steps/changed-orders.ts";
import { beginQualityTables, checkQuality } from "./steps/check-quality.ts";
import { beginChecks } from "./steps/check-tables.ts";
import { findClusters } from "./steps/clusters.ts";
import { curate } from "./steps/curate.ts";
import { customersAtAsOf } from "./steps/customers.ts";
import { type Cutoffs, makeFeatures } from "./steps/features.ts";
import { type Fit, type TrainingRows, exportTrainingRows, fitChurnModel, fitFigures } from "./steps/fit.ts";
import { type Kept, fitToKeep, rememberFit } from "./steps/kept-fit.ts";
import { beginMarts, tablesOfRun } from "./steps/marts.ts";
import { type Promotion, promote, promotionFigures } from "./steps/promote.ts";
import { checkLimits } from "./steps/quality-limits.ts";
import { beginBatchRfm, compareAll, reconcile } from "./steps/reconcile.ts";
import { writeReport } from "./steps/report.ts";
import { type Scoring, beginScoring } from "./steps/score.ts";
import { makeSegments } from "./steps/segments.ts";
import { unify } from "./steps/unify.ts";
import { fitValue } from "./steps/value.ts";
import { beginCustomerScores, exportScored, putCustomersTogether, writeBack } from "./steps/write-back.ts";

export interface RunSummary {
  readonly runId: string;
  readonly state: Run["state"];
}

export type RunModelHandler = (event: unknown, context: WorkflowContext) => Promise<RunSummary>;

/** Longer than the time from one sign of life to the next. */
const LEASE_MS = 15 * 60_000;

/** The event is a `RunRequest`. @throws StepFailed, RunInProgress; the trail says why */
export const make =
  (ports: RunModelPorts): RunModelHandler =>
  async (event, context) => {
    const plan = await context.step("begin", () => begin(RunRequest.parse(event ?? {}), ports));
    try {
      await stepsOf(plan, context, ports);
    } catch (error) {
      // One that was told to stop, or that lost its right to run, is not over.
      if (error instanceof RunInProgress || (error instanceof Error && error.name === "WorkflowStopped")) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      await context.step("fail", () => end(plan, ports, reason));
      throw error;
    }
    return { runId: plan.runId, state: "succeeded" };
  };

/** A start that the scheduler makes again is the run of the same day, which goes on. */
const requestOf = (event: unknown): unknown => {
  const day = scheduledDay(event);
  return day === undefined ? event : ({ asOf: day, runId: day, startedBy: "schedule" } satisfies Partial<RunRequest>);
};

export const handler = workflowOnAws((ports) => make(withSources(ports)), requestOf);

const begin = async (request: RunRequest, { now, runs, settings }: RunModelPorts): Promise<RunPlan> => {
  const asOf = request.asOf ?? dayOf(now());
  const runId = request.runId ?? (await freeRunId(runs, asOf));
  if (!(await runs.lock(runId, now(), LEASE_MS)))
    throw new RunInProgress(`Another run is under way, so ${runId} cannot begin.`);
  // Begun before, and stopped before this was remembered: the trail goes on.
  const begun = await runs.get(runId);
  const run: Run = begun ?? {
    runId,
    asOf,
    horizonDays: request.horizonDays ?? horizonOf(settings),
    state: "running",
    startedBy: request.startedBy,
    startedAtMs: now(),
    steps: [],
  };
  if (begun === undefined) await runs.put(run);
  const { horizonDays, startedBy, startedAtMs } = run;
  return { runId, asOf, horizonDays, startedBy, startedAtMs, ...(request.whole === true ? { whole: true } : {}) };
};

const end = async (plan: RunPlan, ports: RunModelPorts, failure?: string, remark?: string): Promise<boolean> => {
  const run = await ports.runs.get(plan.runId);
  if (run !== undefined) await ports.runs.put(endedRun(run, ports.now(), failure, remark));
  await ports.runs.unlock(plan.runId);
  if (failure !== undefined) ports.metrics.count("RunsFailed", 1);
  return true;
};

/** The newest model where it would come out the same, or what a new one is fitted on. */
interface ToFit {
  readonly kept?: Kept;
  readonly rows?: TrainingRows;
}

const findToFit = async (steps: RunSteps, plan: RunPlan, ports: RunModelPorts, cutoffs: Cutoffs): Promise<ToFit> => {
  const kept = await steps.step("model so far", async () => (await fitToKeep(plan, ports, cutoffs)) ?? null);
  return kept === null ? { rows: await exportTrainingRows(steps, plan, ports, cutoffs) } : { kept };
};

/** What became of the model, and the scores by the one that scores; a model that was refused has none. */
interface Modelled {
  readonly fit: Fit;
  readonly promotion?: Promotion;
  readonly scoring?: Scoring;
}

/** The model is known at once. */
const keepModel = async (steps: RunSteps, plan: RunPlan, ports: RunModelPorts, kept: Kept): Promise<Modelled> => {
  await steps.step("fit", async () => kept.fit, fitFigures);
  await steps.step("promote", async () => kept.promotion, promotionFigures);
  return { ...kept, scoring: await beginScoring(steps, plan, ports, kept.promotion.scoresBy) };
};

const fitModel = async (
  steps: RunSteps,
  plan: RunPlan,
  ports: RunModelPorts,
  cutoffs: Cutoffs,
  dataVersion: string,
  rows: TrainingRows,
): Promise<Modelled> => {
  const fit = await fitChurnModel(steps, plan, ports, cutoffs, dataVersion, rows);
  if (fit.kind === "refused") return { fit };
  const promotion = await promote(steps, plan, ports, fit, rows);
  await rememberFit(steps, plan, ports, cutoffs, { fit, promotion });
  return { fit, promotion, scoring: await beginScoring(steps, plan, ports, promotion.scoresBy) };
};

const stepsOf = async (plan: RunPlan, context: WorkflowContext, ports: RunModelPorts): Promise<void> => {
  const steps = new RunSteps(plan, context, ports);
  await awaitArrivals(steps, plan, ports);
  const history = await curate(steps, plan, ports);
  const unfit = await checkLimits(steps, ports, await unify(steps, plan, ports));
  const cutoffs = await makeFeatures(steps, plan, ports, history);
  const quality = await checkQuality(steps, plan, history, unfit);
  const changed = await findChangedOrders(steps, plan, ports);
  const segments = await makeSegments(steps, plan, ports, changed);
  const atAsOf = await customersAtAsOf(steps, plan, segments.customers);
  // Before the marts: while DuckDB is at those, models are fitted.
  const toFit: ToFit = quality.noModelBecause === undefined ? await findToFit(steps, plan, ports, cutoffs) : {};
  const kept = toFit.kept && (await keepModel(steps, plan, ports, toFit.kept));
  const qualityTables = await beginQualityTables(steps, plan);
  const marts = await beginMarts(steps, plan, changed);
  const clusters = await findClusters(steps, plan, ports, atAsOf.all);
  const value = await fitValue(steps, plan, ports, atAsOf.histories);

  const fitted = toFit.rows && (await fitModel(steps, plan, ports, cutoffs, history.dataVersion, toFit.rows));
  const refused: Modelled = { fit: { kind: "refused", reason: quality.noModelBecause ?? "" } };
  const { fit, promotion, scoring } = kept ?? fitted ?? refused;
  await scoring?.table.ended();
  const churn = scoring?.model;

  const toWriteBack = { customers: segments.customers, churn, value, clusters };
  const scored = await exportScored(steps, plan, toWriteBack);
  await qualityTables.ended();
  await marts.ended();
  const checked = await beginChecks(steps, ports, tablesOfRun(cutoffs, churn !== undefined, changed));
  const batchRfm = await beginBatchRfm(steps);
  await putCustomersTogether(steps, plan, ports, toWriteBack, scored);
  await checked();
  await rememberOrders(steps, plan, ports);
  const customerScores = await beginCustomerScores(steps, plan, toWriteBack);
  const compared = await compareAll(steps, ports, batchRfm);
  await writeBack(steps, plan, ports, toWriteBack, customerScores);
  const reconciliation = await reconcile(steps, plan, ports, compared);
  await writeReport(steps, plan, ports, {
    history,
    quality,
    segments,
    clusters,
    value,
    fit,
    promotion,
    reconciliation,
  });

  const remark = fit.kind === "refused" ? `No churn model: ${fit.reason}` : undefined;
  await context.step("end", async () => {
    if (remark !== undefined) ports.metrics.count("RunsWithoutModel", 1);
    return await end(plan, ports, undefined, remark);
  });
};
