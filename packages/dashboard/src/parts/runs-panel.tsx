import type { Run, Runs } from "../answers.ts";
import { ago, count } from "../format.ts";
import { useAnswer } from "../use-answer.ts";
import { Panel } from "./panel.tsx";
import { Answered, Empty } from "./state.tsx";

const EVERY_MS = 10_000;

/** The latest batch runs, each with its steps and what they found. */
export const RunsPanel = () => {
  const runs = useAnswer<Runs>("/v1/runs", { limit: 10 }, EVERY_MS);
  return (
    <Panel title="Runs" note="A run computes features, segments, the churn model and the figures of the pages.">
      <Answered answer={runs}>
        {({ runs: list }) =>
          list.length === 0 ? (
            <Empty title="No run yet.">
              <p>
                One starts by itself every night; <code>npx ebb run</code> starts one now.
              </p>
            </Empty>
          ) : (
            <ul class="runs">
              {list.map((run) => (
                <li key={run.run_id}>
                  <RunDetails run={run} />
                </li>
              ))}
            </ul>
          )
        }
      </Answered>
    </Panel>
  );
};

const seconds = (from: string, to: string | undefined): string =>
  to === undefined ? "" : `${count((Date.parse(to) - Date.parse(from)) / 1000)} s`;

const RunDetails = ({ run }: { run: Run }) => (
  <details>
    <summary>
      <b>{run.run_id}</b> {run.state}, <span class="soft">{ago(run.started_at)}</span>{" "}
      {seconds(run.started_at, run.ended_at)}
      {run.reason !== undefined && <span class="problem">{run.reason}</span>}
    </summary>
    <ol class="steps">
      {run.steps.map((step) => (
        <li key={step.name} class={step.state}>
          {step.name} <span class="soft">{seconds(step.started_at, step.ended_at)}</span>
          {Object.entries(step.figures ?? {}).map(([name, value]) => (
            <span key={name} class="soft">
              {" "}
              {name} {String(value)}
            </span>
          ))}
          {step.reason !== undefined && <span class="problem">{step.reason}</span>}
        </li>
      ))}
    </ol>
  </details>
);
