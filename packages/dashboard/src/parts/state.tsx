/** What stands where figures are not there yet, cannot come, or do not exist. */
import type { ComponentChildren } from "preact";
import type { Answer } from "../use-answer.ts";
import { forgetKeys } from "../session.ts";

export const Empty = ({ title, children }: { title: string; children?: ComponentChildren }) => (
  <div class="empty">
    <p class="empty-title">{title}</p>
    {children}
  </div>
);

/** Shows `children` of the answer; before that says what is going on, and what to do when it went wrong. */
export const Answered = <T,>({ answer, children }: { answer: Answer<T>; children: (data: T) => ComponentChildren }) => {
  const { data, problem, loading, reload } = answer;
  return (
    <>
      {problem !== undefined && (
        <div class="problem" role="alert">
          <p>{problem.message}</p>
          {problem.status === 401 || problem.status === 403 ? (
            <button
              type="button"
              onClick={() => {
                forgetKeys();
                location.reload();
              }}
            >
              Use another key
            </button>
          ) : (
            <button type="button" onClick={reload}>
              Try again
            </button>
          )}
        </div>
      )}
      {data === undefined && problem === undefined && loading && (
        <p class="waiting" aria-busy="true">
          Loading …
        </p>
      )}
      {data !== undefined && <div aria-busy={loading}>{children(data)}</div>}
    </>
  );
};
