/** `ebb ledger [ID]`: what arrived by request, hook and upload, what became of it, and whether each line balances. */
import { existsSync } from "node:fs";
import path from "node:path";
import type { ReceiptId } from "@ebb/core/ids";
import { settledLine } from "@ebb/functions/serve/settled-line";
import type { LedgerLine } from "@ebb/ports";
import { LogReader } from "@ebb/ports/embedded/log-reader";
import { EmbeddedUploadStore } from "@ebb/ports/embedded/upload-store";
import { UsageError, optionHelp, parseOptions } from "../command-line.ts";
import { renderTable } from "../table.ts";

const options = {
  data: { kind: "text", value: "FOLDER", help: "the home's folder (.ebb)" },
  limit: { kind: "integer", value: "COUNT", min: 1, max: 1_000_000, help: "how many of the newest lines (20)" },
  json: { kind: "flag", help: "one JSON object a line" },
  help: { kind: "flag", help: "show this" },
} as const;

const help = `Usage: ebb ledger [ID] [OPTIONS]

What arrived by request, hook and upload, the newest first, and what became of it. Every line balances: received =
appended + quarantined, and once settled appended = accepted + duplicate. ebb audit checks them against all stores.

${optionHelp(options)}
`;

const PAGE = 500;

export const run = async (args: readonly string[]): Promise<number> => {
  const { values, positionals } = parseOptions(options, args);
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  if (positionals.length > 1) throw new UsageError("ebb ledger takes one id at most. See ebb ledger --help.");
  const home = path.resolve(values.data ?? ".ebb");
  if (!existsSync(path.join(home, "log.db"))) {
    process.stderr.write(`There is no home in ${home}. --data names another folder.\n`);
    return 1;
  }
  const log = new LogReader(home);
  const uploads = new EmbeddedUploadStore(home);
  try {
    const [id] = positionals;
    const lines = id === undefined ? await newest(log, values.limit ?? 20) : await one(log, id as ReceiptId);
    if (lines === undefined) {
      process.stderr.write(`No request, hook or upload has the id ${id!}.\n`);
      return 1;
    }
    const told = await Promise.all(lines.map(async (line) => toldOf(await settledLine(line, uploads))));
    process.stdout.write(
      values.json === true ? told.map((line) => `${JSON.stringify(line)}\n`).join("") : textOf(told),
    );
    return told.every((line) => line.balances) ? 0 : 1;
  } finally {
    uploads.close();
    log.close();
  }
};

const one = async (log: LogReader, id: ReceiptId): Promise<LedgerLine[] | undefined> => {
  const line = await log.ledger().read(id);
  return line === undefined ? undefined : [line];
};

const newest = async (log: LogReader, limit: number): Promise<LedgerLine[]> => {
  const lines: LedgerLine[] = [];
  for (let cursor: string | undefined; lines.length < limit;) {
    const page = await log.ledger().list({ limit: Math.min(PAGE, limit - lines.length), cursor });
    lines.push(...page.lines);
    cursor = page.cursor;
    if (cursor === undefined) break;
  }
  return lines;
};

interface Told {
  readonly receipt_id: string;
  readonly channel: string;
  readonly source: string;
  readonly received_at: string;
  readonly received: number;
  readonly appended: number;
  readonly quarantined: number;
  /** Absent until they are settled: for a file once it is read to its end. */
  readonly accepted?: number;
  readonly duplicate?: number;
  readonly balances: boolean;
}

const toldOf = (line: LedgerLine): Told => {
  const { received, appended, quarantined, accepted, duplicate } = line;
  return {
    receipt_id: line.receiptId,
    channel: line.channel,
    source: line.source,
    received_at: new Date(line.receivedAtMs).toISOString(),
    received,
    appended,
    quarantined,
    ...(accepted === undefined || duplicate === undefined ? {} : { accepted, duplicate }),
    balances:
      received === appended + quarantined &&
      (accepted === undefined || duplicate === undefined || appended === accepted + duplicate),
  };
};

const COUNTS = ["received", "appended", "quarantined", "accepted", "duplicate"] as const;

const textOf = (lines: readonly Told[]): string => {
  if (lines.length === 0) return "Nothing has arrived yet.\n";
  const columns = [
    ...["receipt", "channel", "source", "received at"].map((name) => ({ name, align: "left" as const })),
    ...COUNTS.map((name) => ({ name, align: "right" as const })),
    { name: "balance", align: "left" as const },
  ];
  const rows = lines.map((line) => [
    ...[line.receipt_id, line.channel, line.source, line.received_at],
    ...COUNTS.map((name) => line[name]?.toLocaleString("en") ?? ""),
    line.balances ? "✓" : "does not balance",
  ]);
  return renderTable(columns, rows, Math.max(process.stdout.columns ?? 0, 160)).text;
};
