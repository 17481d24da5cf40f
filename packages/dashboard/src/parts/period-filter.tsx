import { type Period, addDays } from "../period.ts";
import { changeView } from "../route.ts";

/** First and last day by hand, where a drag over the chart is not to the reader's liking, or not possible. */
export const PeriodFilter = ({ period, whole }: { period: Period; whole: Period }) => {
  const chosen = period.from !== whole.from || period.to !== whole.to;
  return (
    <div class="filter">
      <label>
        From
        <input
          type="date"
          value={period.from}
          min={whole.from}
          max={addDays(whole.to, -1)}
          onChange={({ currentTarget: { value } }) => value !== "" && changeView({ from: value })}
        />
      </label>
      <label>
        To
        <input
          type="date"
          value={addDays(period.to, -1)}
          min={period.from}
          max={addDays(whole.to, -1)}
          onChange={({ currentTarget: { value } }) => value !== "" && changeView({ to: addDays(value, 1) })}
        />
      </label>
      {chosen && (
        <button type="button" onClick={() => changeView({ from: undefined, to: undefined })}>
          Whole time
        </button>
      )}
    </div>
  );
};
