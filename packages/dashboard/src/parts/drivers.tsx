import type { Driver } from "../answers.ts";
import { decimal } from "../format.ts";

/** Why: the reasons that weigh most, in words, with what they do to the odds of leaving. */
export const Drivers = ({ drivers }: { drivers: readonly Driver[] }) => (
  <ul class="drivers">
    {drivers.map((driver) => (
      <li key={driver.feature}>
        {driver.words}{" "}
        <span
          class="soft"
          title={`${driver.feature}: what the odds of leaving are multiplied by, against the average customer`}
        >
          odds × {decimal(Math.exp(driver.log_odds))}
        </span>
      </li>
    ))}
  </ul>
);
