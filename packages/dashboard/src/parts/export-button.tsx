import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiProblem, type Parameters, getCsv } from "../api.ts";
import { download } from "../download.ts";

/** Saves a whole list of customers as CSV: what a campaign tool takes. */
export const ExportButton = ({
  path,
  parameters,
  filename,
  children,
}: {
  path: string;
  parameters?: Parameters;
  /** Without extension. */
  filename: string;
  children: ComponentChildren;
}) => {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const save = async (): Promise<void> => {
    setBusy(true);
    setProblem(undefined);
    try {
      download(`${filename}.csv`, await getCsv(path, { ...parameters, format: "csv" }));
    } catch (error) {
      setProblem(error instanceof ApiProblem ? error.message : String(error));
    }
    setBusy(false);
  };
  return (
    <>
      <button type="button" disabled={busy} onClick={() => void save()}>
        {children}
      </button>
      {problem !== undefined && (
        <span class="problem" role="alert">
          {problem}
        </span>
      )}
    </>
  );
};
