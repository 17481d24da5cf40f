/** Tables for a terminal: fitted to its width, numbers to the right, nothing in a cell that could steer the terminal. */
import stringWidth from "string-width";

export interface TableColumn {
  readonly name: string;
  readonly align: "left" | "right";
}

const MIN_WIDTH = 4;
const GAP = 2;

/** Control characters, line breaks and bidirectional overrides as visible escapes. */
export const visible = (text: string): string =>
  // eslint-disable-next-line no-control-regex -- they are what is looked for
  text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (character) => {
    if (character === "\n") return "\\n";
    if (character === "\t") return "\\t";
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });

/** The text cut to `width` terminal cells; what is cut ends in an ellipsis. */
export const cut = (text: string, width: number): string => {
  if (text.length <= width && stringWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    const next = stringWidth(segment);
    if (used + next > width - 1) return `${kept}…`;
    kept += segment;
    used += next;
  }
  return kept;
};

const pad = (text: string, width: number, align: TableColumn["align"]): string => {
  const space = " ".repeat(Math.max(0, width - stringWidth(text)));
  return align === "right" ? space + text : text + space;
};

/** Widths that fit: the widest columns give way first. Columns that do not fit even so are left out from the right. */
const fit = (natural: readonly number[], available: number): number[] => {
  const least = natural.map((width) => Math.min(width, MIN_WIDTH));
  let count = natural.length;
  const needed = (widths: readonly number[]) => widths.reduce((sum, width) => sum + width, GAP * (widths.length - 1));
  while (count > 1 && needed(least.slice(0, count)) > available) count--;
  const widths = natural.slice(0, count);
  for (let excess = needed(widths) - available; excess > 0;) {
    const widest = Math.max(...widths);
    if (widest <= MIN_WIDTH) break;
    const index = widths.indexOf(widest);
    const second = Math.max(MIN_WIDTH, ...widths.filter((width) => width < widest));
    const step = Math.min(excess, widest - second);
    widths[index] = widest - step;
    excess -= step;
  }
  return widths;
};

/**
 * Renders rows of texts. `width` is the terminal's, in cells. `hidden` says how many columns did not fit.
 */
export const renderTable = (
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  width: number,
): { text: string; hidden: number } => {
  const cells = rows.map((row) => row.map(visible));
  const natural = columns.map(({ name }, index) =>
    Math.max(stringWidth(visible(name)), ...cells.map((row) => stringWidth(row[index] ?? ""))),
  );
  const widths = fit(natural, Math.max(width, MIN_WIDTH));
  const line = (texts: readonly string[]): string =>
    widths
      .map((cellWidth, index) => pad(cut(texts[index] ?? "", cellWidth), cellWidth, columns[index]!.align))
      .join(" ".repeat(GAP))
      .trimEnd();
  const lines = [
    line(columns.map(({ name }) => visible(name))),
    widths.map((cellWidth) => "─".repeat(cellWidth)).join(" ".repeat(GAP)),
    ...cells.map(line),
  ];
  return { text: `${lines.join("\n")}\n`, hidden: columns.length - widths.length };
};
