/** The quality report as a page: what somebody should look at, then every table and column. Nothing is fetched. */
import type { QualityReport, TableQuality } from "@ebb/core/quality";
import { limitText } from "@ebb/core/quality-limits";
import { type Html, html, table } from "./html.ts";
import { styles } from "./styles.ts";

const whole = (value: number): string => value.toLocaleString("en");
const share = (some: number, all: number): string => (all === 0 ? "" : `${((100 * some) / all).toFixed(2)} %`);
const figure = (value: number | undefined): string =>
  value === undefined ? "" : value.toLocaleString("en", { maximumFractionDigits: 4 });
const day = (instant: string): string => instant.slice(0, 10);

const tableSection = (one: TableQuality): Html =>
  html`<h2>${one.source}: ${one.table}</h2>
    <p>
      ${whole(one.rows)} rows in ${one.months} months, from ${day(one.firstAt)} to ${day(one.lastAt)}; the last arrived
      on ${day(one.receivedAt)}. ${whole(one.repeated)} say what another row says (${share(one.repeated, one.rows)}).
    </p>
    ${table(
      `Columns of ${one.table} from ${one.source}`,
      ["column", "missing", "share", "distinct in a month", "minimum", "mean", "maximum", "below zero", "outliers"],
      one.columns.map((each) => [
        each.column,
        whole(each.missing),
        share(each.missing, one.rows),
        whole(each.distinct),
        ...[each.minimum, each.mean, each.maximum].map(figure),
        whole(each.negative),
        whole(each.outliers),
      ]),
    )}`;

const findings = (report: QualityReport): Html =>
  report.findings.length === 0
    ? html`<p>Nothing that somebody should look at.</p>`
    : html`<ul class="remarks">
        ${report.findings.map(({ severity, stops, sentence }) => {
          const what = severity === "warn" ? "" : `Stops ${stops === "model" ? "the model" : "a run"}: `;
          return html`<li>${what}${sentence}</li>`;
        })}
      </ul>`;

const limits = ({ limits: set }: QualityReport): Html =>
  set.length === 0
    ? html``
    : html`<h2>Limits that are set</h2>
        <ul class="remarks">
          ${set.map((limit) => html`<li>${limitText(limit)}.</li>`)}
        </ul>`;

const arrived = (report: QualityReport): Html =>
  report.arrived === undefined
    ? html``
    : html`<h2>What arrived</h2>
        ${table(
          "By the ledger",
          ["source", "by", "received", "with an id that was there", "that say something else", "refused"],
          report.arrived.map((each) => [
            each.source,
            each.by,
            ...[each.received, each.duplicates, each.conflicting ?? 0, each.quarantined].map(whole),
          ]),
        )}`;

/** @param asOf of the run whose tables it is about, `YYYY-MM-DD` */
export const qualityHtml = (report: QualityReport, asOf: string): string =>
  `<!doctype html>\n${
    html`<html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Data quality, ${asOf}</title>
        <style>
          ${{ html: styles }}
        </style>
      </head>
      <body>
        <main>
          <h1>Data quality, ${asOf}</h1>
          ${findings(report)} ${arrived(report)} ${report.tables.map(tableSection)}
          <h2>References</h2>
          ${table(
            "Values that refer to another table",
            ["source", "reference", "values", "not found"],
            report.references.map((each) => [each.source, each.reference, whole(each.values), whole(each.gaps)]),
          )}
          ${limits(report)}
        </main>
      </body>
    </html>`.html
  }\n`;
