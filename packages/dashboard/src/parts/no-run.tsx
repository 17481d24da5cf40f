import { Empty } from "./state.tsx";
import { ago, day } from "../format.ts";

/** Before the first run there are no figures; afterwards the page says how fresh they are. */
export const NoRun = () => (
  <Empty title="No run has computed these figures yet.">
    <p>
      A run starts by itself every night. On one machine <code>npx ebb run</code> starts one now.
    </p>
  </Empty>
);

export const Fresh = ({ asOf }: { asOf: string | undefined }) =>
  asOf === undefined ? null : (
    <p class="note">
      As of <time dateTime={asOf}>{day(asOf.slice(0, 10))}</time>, {ago(asOf)}.
    </p>
  );
