/** Colours keep a contrast of at least 4.5 to 1 for text, in light and in dark. */
export const styles = `
:root { --ink: #1c2430; --soft: #566173; --line: #d7dce3; --page: #ffffff; --panel: #f5f7f9; --data: #0b5cad; --other: #9cc3ea; --mark: #b4470f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ecf1; --soft: #a9b4c2; --line: #39424f; --page: #14191f; --panel: #1d242c; --data: #6cb2f7; --other: #2c5480; --mark: #f0915a; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 1.6rem; margin: 0 0 16px; }
h2 { font-size: 1.2rem; margin: 40px 0 12px; border-bottom: 1px solid var(--line); padding-bottom: 4px; }
code { font-size: 0.9em; overflow-wrap: anywhere; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 12px; margin: 0; }
.facts div { background: var(--panel); border-radius: 8px; padding: 12px; }
.facts dt { color: var(--soft); font-size: 0.875rem; }
.facts dd { margin: 4px 0 0; font-size: 1.1rem; font-variant-numeric: tabular-nums; }
.remarks { border-left: 4px solid var(--mark); margin: 12px 0; padding: 8px 8px 8px 28px; background: var(--panel); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 24px; }
figure { margin: 16px 0 0; min-width: 0; max-width: 620px; }
figcaption { color: var(--soft); font-size: 0.875rem; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
svg path { fill: none; }
.grid { stroke: var(--line); stroke-width: 1; }
.axis { stroke: var(--soft); stroke-width: 1; }
.data { stroke: var(--data); stroke-width: 2.5; }
.other { stroke: var(--data); stroke-width: 1.5; }
.reference { stroke: var(--mark); stroke-width: 1.5; stroke-dasharray: 5 4; }
.dot { fill: var(--data); }
.bar { fill: var(--data); }
.bar-other { fill: var(--other); }
.scroll { overflow-x: auto; margin: 12px 0; }
.scroll:focus-visible, summary:focus-visible { outline: 2px solid var(--data); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: 6px; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child { text-align: left; font-weight: 500; white-space: normal; min-width: 10em; }
td.words { text-align: left; white-space: normal; }
thead th { color: var(--soft); font-weight: 500; vertical-align: bottom; white-space: normal; }
summary { cursor: pointer; color: var(--data); font-size: 0.875rem; margin-top: 6px; }
@media print { details > * { display: block; } }
`;
