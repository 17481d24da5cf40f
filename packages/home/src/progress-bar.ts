/** Progress of long work: a line that renews itself on a terminal, now and then a plain line where there is none. */

export interface ProgressBar {
  /** @param share of the work done, 0 to 1 */
  update(items: number, share: number): void;
  /** Leaves the last state on the screen. */
  end(): void;
}

interface Output {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const TERMINAL_EVERY_MS = 100;
const PLAIN_EVERY_MS = 5_000;
const CELLS = 24;

const seconds = (total: number): string => {
  const whole = Math.max(0, Math.round(total));
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
};

const count = (value: number): string => Math.round(value).toLocaleString("en");

/** @param now milliseconds, monotonic */
export const progressBar = (label: string, unit: string, output: Output, now: () => number): ProgressBar => {
  const startedMs = now();
  const everyMs = output.isTTY === true ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS;
  let drawnMs = -Infinity;
  let last: { items: number; share: number } = { items: 0, share: 0 };
  let firstShare: number | undefined;

  const text = (): string => {
    const { items, share } = last;
    const elapsed = Math.max((now() - startedMs) / 1000, 0.001);
    const gained = share - (firstShare ?? 0);
    const left = gained <= 0 || share >= 1 ? "" : `, ${seconds((elapsed / gained) * (1 - share))} left`;
    const figures = `${count(items)} ${unit}, ${count(items / elapsed)}/s`;
    if (output.isTTY !== true) return `${label}: ${(share * 100).toFixed(0)} %, ${figures}${left}\n`;
    const filled = Math.round(share * CELLS);
    return `\r\u001b[2K${label} ${"█".repeat(filled)}${"░".repeat(CELLS - filled)} ${(share * 100).toFixed(0).padStart(3)} %  ${figures}${left}`;
  };

  return {
    update(items, share) {
      firstShare ??= share; // work that goes on where it stopped begins with a share that cost nothing now
      last = { items, share };
      if (now() - drawnMs < everyMs) return;
      drawnMs = now();
      output.write(text());
    },
    end() {
      output.write(text());
      if (output.isTTY === true) output.write("\n");
    },
  };
};
