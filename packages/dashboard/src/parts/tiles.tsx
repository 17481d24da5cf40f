import type { ComponentChildren } from "preact";
import { percent } from "../format.ts";

export const Tiles = ({ children }: { children: ComponentChildren }) => <dl class="tiles">{children}</dl>;

/** One figure, and how it stands to the period before. */
export const Tile = ({
  name,
  value,
  before,
  now,
  note,
}: {
  name: string;
  value: string;
  /** The same figure of the period before; no comparison where it is absent or 0. */
  before?: number | undefined;
  now?: number | undefined;
  note?: string | undefined;
}) => {
  const change = before !== undefined && now !== undefined && before > 0 ? now / before - 1 : undefined;
  return (
    <div class="tile">
      <dt>{name}</dt>
      <dd>
        <span class="figure">{value}</span>
        {change !== undefined && (
          <span class={change >= 0 ? "change up" : "change down"}>
            {change >= 0 ? "▲" : "▼"} {percent(Math.abs(change))} <span class="soft">on the period before</span>
          </span>
        )}
        {note !== undefined && <span class="soft">{note}</span>}
      </dd>
    </div>
  );
};
