import type { Driver } from "../answers.ts";
import { decimal } from "../format.ts";

/** Why: the reasons that weigh most, in words, with their part of the log-odds. */
export const Drivers = ({ drivers }: { drivers: readonly Driver[] }) => (
  <ul class="drivers">
    {drivers.map((driver) => (
      <li key={driver.feature}>
        {driver.words}{" "}
        <span class="soft" title={`${driver.feature}: part of the log-odds of leaving`}>
          {driver.log_odds > 0 ? "+" : "−"}
          {decimal(Math.abs(driver.log_odds))}
        </span>
      </li>
    ))}
  </ul>
);
