import { useState } from "preact/hooks";
import { ApiProblem, get } from "../api.ts";
import { forgetKeys, rememberKeys } from "../session.ts";

/** Asks for a read key, and tries it before it is kept. */
export const SignIn = ({ onDone }: { onDone: () => void }) => {
  const [problem, setProblem] = useState<string>();
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const key = new FormData(event.currentTarget as HTMLFormElement).get("key");
    rememberKeys({ read: typeof key === "string" ? key.trim() : "" });
    try {
      await get("/v1/ledger", { limit: 1 });
      onDone();
    } catch (error) {
      forgetKeys();
      setProblem(error instanceof ApiProblem ? error.message : String(error));
    }
  };
  return (
    <form class="sign-in" onSubmit={(event) => void submit(event)}>
      <h1>Read key</h1>
      <p>
        The figures are read with a read key. On one machine <code>npm start</code> prints a link that holds it, and{" "}
        <code>npx ebb keys</code> shows the keys. It stays in this tab and is gone when the tab closes.
      </p>
      <label>
        Read key
        <input name="key" type="password" autocomplete="off" required />
      </label>
      <button type="submit">Open</button>
      {problem !== undefined && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
};
