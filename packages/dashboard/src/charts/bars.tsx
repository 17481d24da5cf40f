export interface Bar {
  readonly name: string;
  readonly value: number;
  /** The value in words, e.g. £1,234.56. */
  readonly text: string;
  readonly note?: string;
  readonly href?: string;
}

/** Lengths to compare, the figure beside each: a list, so that it reads without seeing the bars. */
export const Bars = ({ bars, label }: { bars: readonly Bar[]; label: string }) => {
  const largest = Math.max(...bars.map((bar) => Math.abs(bar.value)), 0);
  return (
    <ol class="bars" aria-label={label}>
      {bars.map((bar) => (
        <li key={bar.name}>
          <span class="bar-name">{bar.href === undefined ? bar.name : <a href={bar.href}>{bar.name}</a>}</span>
          <svg class="length" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
            <rect
              width={largest === 0 ? 0 : (100 * Math.abs(bar.value)) / largest}
              height="10"
              class={bar.value < 0 ? "negative" : undefined}
            />
          </svg>
          <span class="bar-figure">
            {bar.text}
            {bar.note !== undefined && <span class="soft"> {bar.note}</span>}
          </span>
        </li>
      ))}
    </ol>
  );
};
