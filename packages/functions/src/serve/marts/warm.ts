/** Marts that are read before somebody waits for them. */
import type { HttpHandler } from "../../runtime/http.ts";
import { type MartPorts, latestRun, stateNow } from "./mart-handler.ts";
import type { MartMemory } from "./mart-memory.ts";

/** A handler whose first answer about a run would take longer than those after it. */
export type WarmHandler = HttpHandler & {
  /**
   * Reads what the latest run left, so that the next question does not wait for it.
   * @param onlyAsked nothing is done where nobody has asked since the process began
   */
  readonly warm: (onlyAsked: boolean) => Promise<void>;
};

/** @param memory what `handler` answers from */
export const warmed = (
  handler: HttpHandler,
  ports: Pick<MartPorts, "queries" | "runs" | "suppressions">,
  memory: MartMemory<unknown>,
): WarmHandler =>
  Object.assign(handler, {
    warm: async (onlyAsked: boolean): Promise<void> => {
      if (onlyAsked && !memory.asked) return;
      const run = await latestRun(ports.runs);
      if (run !== undefined) await memory.of({ ...(await stateNow(ports, run)), queries: ports.queries });
    },
  });
