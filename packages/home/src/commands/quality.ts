/** `ebb quality`: what each source sends, column by column, and what of it somebody should look at. */
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Arrived, QualityReport } from "@ebb/core/quality";
import { limitText } from "@ebb/core/quality-limits";
import { qualityHtml } from "@ebb/functions/model/report/quality-html";
import { readQuality } from "@ebb/functions/serve/marts/quality-report";
import { qualityJson } from "@ebb/functions/serve/quality";
import { openSettings } from "@ebb/ports/embedded/configuration";
import { LogReader } from "@ebb/ports/embedded/log-reader";
import { DuckDbQueryEngine } from "@ebb/ports/embedded/query-engine";
import { batchTables } from "@ebb/ports/embedded/batch-manifest";
import { EmbeddedUploadStore } from "@ebb/ports/embedded/upload-store";
import { UsageError, optionHelp, parseOptions } from "../command-line.ts";
import { sourceLoads } from "../told-tables.ts";
import { renderTable } from "../table.ts";

const options = {
  data: { kind: "text", value: "FOLDER", help: "the home's folder (.ebb)" },
  html: { kind: "text", value: "FILE", help: "write the report as a page" },
  json: { kind: "flag", help: "the report as JSON" },
  help: { kind: "flag", help: "show this" },
} as const;

const help = `Usage: ebb quality [OPTIONS]

What the latest batch run found of each source and table: rows, freshness, what is missing, distinct, out of range, far
off, said twice or referring to nothing, and how the newest month differs from those before. From where on it warns or
stops is set in settings.json (docs/unified.md). Ends with 1 where something is found that stops a run or its model.

${optionHelp(options)}
`;

export const run = async (args: readonly string[]): Promise<number> => {
  const { values, positionals } = parseOptions(options, args);
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  if (positionals.length > 0) throw new UsageError("ebb quality takes options alone. See ebb quality --help.");
  const home = path.resolve(values.data ?? ".ebb");
  const lake = path.join(home, "lake");
  if (!existsSync(path.join(home, "log.db"))) {
    process.stderr.write(`There is no home in ${home}. --data names another folder.\n`);
    return 1;
  }
  if (!batchTables(lake).some(({ name }) => name === "quality_profiles")) {
    process.stderr.write("No batch run has looked at the data yet. ebb run makes one.\n");
    return 1;
  }
  const report = await reportOf(home, lake);
  if (values.html !== undefined) {
    writeFileSync(values.html, qualityHtml(report, new Date().toISOString().slice(0, 10)));
    process.stderr.write(`${values.html} is written.\n`);
  }
  if (values.json === true) process.stdout.write(`${JSON.stringify(qualityJson(report), undefined, 2)}\n`);
  else process.stdout.write(textOf(report));
  return report.findings.some(({ severity }) => severity === "stop") ? 1 : 0;
};

const reportOf = async (home: string, lake: string): Promise<QualityReport> => {
  const arrived = await arrivedIn(home);
  const engine = await DuckDbQueryEngine.open({ folder: lake });
  try {
    return await readQuality(engine, {
      arrived,
      limits: openSettings(home).quality,
      loads: await sourceLoads(home),
    });
  } finally {
    engine.close();
  }
};

const PAGE = 500;

/** The ledger by source, and by file or channel. What of a file was there already is known when it is read to its end. */
const arrivedIn = async (home: string): Promise<Arrived[]> => {
  const log = new LogReader(home);
  const uploads = new EmbeddedUploadStore(home);
  const sums = new Map<string, { -readonly [Name in keyof Arrived]: Arrived[Name] }>();
  try {
    let cursor: string | undefined;
    do {
      const page = await log.ledger().list({ limit: PAGE, cursor });
      for (const line of page.lines) {
        const upload = line.channel === "upload" ? await uploads.get(line.receiptId) : undefined;
        const by = upload?.filename ?? line.channel;
        const name = `${line.source}\n${by}`;
        const sum = sums.get(name) ?? {
          source: line.source,
          by,
          received: 0,
          duplicates: 0,
          conflicting: 0,
          quarantined: 0,
        };
        sum.received += line.received;
        sum.duplicates += line.duplicate ?? upload?.ledger?.duplicate ?? 0;
        sum.conflicting = (sum.conflicting ?? 0) + (upload?.ledger?.conflicting ?? 0);
        sum.quarantined += line.quarantined;
        sums.set(name, sum);
      }
      cursor = page.cursor;
    } while (cursor !== undefined);
  } finally {
    uploads.close();
    log.close();
  }
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
};

const textOf = (report: QualityReport): string => {
  const columns = [
    ...["source", "table", "from", "to"].map((name) => ({ name, align: "left" as const })),
    ...["rows", "repeated", "missing most", "share"].map((name) => ({ name, align: "right" as const })),
  ];
  const rows = report.tables.map((one) => {
    const worst = [...one.columns].sort((a, b) => b.missing - a.missing)[0];
    return [
      ...[one.source, one.table, one.firstAt.slice(0, 10), one.lastAt.slice(0, 10)],
      ...[one.rows, one.repeated].map((value) => value.toLocaleString("en")),
      ...(worst === undefined || worst.missing === 0
        ? ["", ""]
        : [worst.column, `${((100 * worst.missing) / one.rows).toFixed(1)} %`]),
    ];
  });
  const found = report.findings.map(
    ({ severity, stops, sentence }) =>
      `${severity === "stop" ? `STOP (${stops === "model" ? "no model" : "no run"})` : "warn"}  ${sentence}\n`,
  );
  const limits = report.limits.map((limit) => `  ${limitText(limit)}\n`);
  const set = limits.length === 0 ? "" : `\nLimits of settings.json:\n${limits.join("")}`;
  return `${renderTable(columns, rows, Math.max(process.stdout.columns ?? 0, 120)).text}\n${found.length === 0 ? "Nothing that somebody should look at.\n" : found.join("")}${set}`;
};
