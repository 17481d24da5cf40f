/** The report of a run: the model card as a page and as JSON, and everything else the run found as JSON. */
import type { ModelCard } from "@ebb/core/churn/model-card";
import { readJson, writeJson } from "@ebb/ports/json-objects";
import { reportHtml, reportJson } from "../report/report.ts";
import type { RunModelPorts } from "../run-model-ports.ts";
import type { RunPlan } from "../run-request.ts";
import type { RunSteps } from "../run-steps.ts";
import type { Quality } from "./check-quality.ts";
import type { Clusters } from "./clusters.ts";
import type { History } from "./curate.ts";
import { type Fit, modelKeys } from "./fit.ts";
import type { Promotion } from "./promote.ts";
import type { Reconciliation } from "./reconcile.ts";
import type { Segments } from "./segments.ts";
import type { ValueModel } from "./value.ts";

export interface Findings {
  readonly history: History;
  readonly quality: Quality;
  readonly segments: Segments;
  readonly clusters: Clusters | undefined;
  readonly value: ValueModel;
  readonly fit: Fit;
  readonly promotion: Promotion | undefined;
  readonly reconciliation: Reconciliation;
}

export const reportKeys = (runId: string) => ({
  html: `reports/${runId}/report.html`,
  card: `reports/${runId}/model-card.json`,
  summary: `reports/${runId}/summary.json`,
});

export const writeReport = async (
  steps: RunSteps,
  plan: RunPlan,
  { objects }: RunModelPorts,
  findings: Findings,
): Promise<void> => {
  const keys = reportKeys(plan.runId);
  await steps.step(
    "report",
    async () => {
      const { runId, asOf, horizonDays } = plan;
      await writeJson(objects, keys.summary, { runId, asOf, horizonDays, ...findings });
      if (findings.fit.kind === "refused") return keys.summary;
      const { fittedBy } = findings.fit;
      const card = (await readJson(objects, modelKeys(fittedBy ?? runId).card)) as ModelCard;
      await objects.put(keys.card, Buffer.from(reportJson(card)));
      await objects.put(
        keys.html,
        Buffer.from(reportHtml(card, { asOf, sources: findings.history.sources, kept: fittedBy !== undefined })),
      );
      return keys.html;
    },
    (report) => ({ report }),
  );
};
