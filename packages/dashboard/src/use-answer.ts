import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ApiProblem, type Parameters, get } from "./api.ts";

export interface Answer<T> {
  /** The latest answer; it stays while the next is on its way. */
  readonly data: T | undefined;
  readonly problem: ApiProblem | undefined;
  readonly loading: boolean;
  readonly reload: () => void;
}

/**
 * What the API answers to a GET, asked again when path or parameters change, and every `everyMs` where given (not while
 * the tab is hidden). A question that is overtaken by the next is called off.
 * @param path `undefined` asks nothing
 */
export const useAnswer = <T>(path: string | undefined, parameters: Parameters = {}, everyMs?: number): Answer<T> => {
  const [state, setState] = useState<{ data?: T; problem?: ApiProblem; loading: boolean }>({
    loading: path !== undefined,
  });
  const [turn, setTurn] = useState(0);
  const question = path === undefined ? undefined : JSON.stringify([path, parameters]);
  const latest = useRef({ path, parameters });
  latest.current = { path, parameters };
  // Before the next frame is drawn, not after it: the answer comes a frame or two earlier.
  useLayoutEffect(() => {
    if (question === undefined) return setState({ loading: false });
    const controller = new AbortController();
    setState((before) => ({ ...before, loading: true }));
    get<T>(latest.current.path!, latest.current.parameters, controller.signal).then(
      (data) => setState({ data, loading: false }),
      (error: unknown) => {
        if (controller.signal.aborted) return;
        const problem = error instanceof ApiProblem ? error : new ApiProblem(0, String(error));
        setState((before) => ({ ...before, problem, loading: false }));
      },
    );
    return () => controller.abort();
  }, [question, turn]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  useEffect(() => {
    if (everyMs === undefined || question === undefined) return undefined;
    const timer = setInterval(() => {
      if (!document.hidden) reload();
    }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs, question, reload]);
  return { data: state.data, problem: state.problem, loading: state.loading, reload };
};
