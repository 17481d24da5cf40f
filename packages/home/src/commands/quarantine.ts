/** `ebb quarantine`: what was refused, by reason, with samples; or all of it as JSON lines or in its original bytes. */
import { existsSync } from "node:fs";
import path from "node:path";
import type { ReceiptId } from "@ebb/core/ids";
import { reasonCodes } from "@ebb/core/reasons";
import { parseInstant } from "@ebb/core/time";
import type { Quarantine, QuarantinedItem } from "@ebb/ports";
import { LogReader } from "@ebb/ports/embedded/log-reader";
import { UsageError, optionHelp, parseOptions } from "../command-line.ts";
import { renderTable } from "../table.ts";

export const selectionOptions = {
  reason: {
    kind: "text",
    value: "CODE",
    help: "only this reason",
    check: (text: string) =>
      (reasonCodes as readonly string[]).includes(text) ? undefined : `"${text}" is none of ${reasonCodes.join(", ")}.`,
  },
  upload: { kind: "text", value: "ID", help: "only what came with this upload or request (upl_…, rcp_…)" },
  since: {
    kind: "text",
    value: "INSTANT",
    help: "only what was refused at or after this, like 2026-01-31 or 2026-01-31T12:00:00Z",
    check: (text: string) =>
      parseInstant(text) === undefined ? `"${text}" is no instant like 2026-01-31 or 2026-01-31T12:00:00Z.` : undefined,
  },
} as const;

const options = {
  data: { kind: "text", value: "FOLDER", help: "the home's folder (.ebb)" },
  ...selectionOptions,
  open: { kind: "flag", help: "only what was never sent again" },
  samples: { kind: "integer", value: "COUNT", min: 0, max: 100, help: "samples of each reason (2)" },
  json: { kind: "flag", help: "every item as a line of JSON, with its original bytes" },
  original: { kind: "flag", help: "the original bytes alone, a line each: to mend and send again" },
  help: { kind: "flag", help: "show this" },
} as const;

const help = `Usage: ebb quarantine [OPTIONS]

What was refused, by reason: how much, what became of it, and samples. ebb replay sends it again after a fix.
Originals are personal data; they are kept for thirty days.

${optionHelp(options)}
`;

const PAGE = 200;

/** Every item of a selection, in the order of receipt and row. */
export async function* selected(
  quarantine: Quarantine,
  query: Omit<Parameters<Quarantine["list"]>[0], "limit" | "cursor">,
): AsyncGenerator<QuarantinedItem> {
  for (let cursor: string | undefined; ;) {
    const page = await quarantine.list({ ...query, limit: PAGE, cursor });
    yield* page.items;
    cursor = page.cursor;
    if (cursor === undefined) return;
  }
}

export const run = async (args: readonly string[]): Promise<number> => {
  const { values, positionals } = parseOptions(options, args);
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  if (positionals.length > 0) throw new UsageError(`ebb quarantine takes no "${positionals.join(" ")}".`);
  const home = path.resolve(values.data ?? ".ebb");
  if (!existsSync(path.join(home, "log.db"))) {
    process.stderr.write(`There is no home in ${home}. --data names another folder.\n`);
    return 1;
  }
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
  const log = new LogReader(home);
  try {
    const items = selected(log.quarantine({ put: refuseWrite, markReplayed: refuseWrite }), {
      code: values.reason,
      receiptId: values.upload as ReceiptId | undefined,
      sinceMs: values.since === undefined ? undefined : parseInstant(values.since),
      open: values.open,
    });
    if (values.json === true) for await (const item of items) await write(`${JSON.stringify(answerOf(item))}\n`);
    else if (values.original === true)
      for await (const item of items) await write(Buffer.concat([item.original, Buffer.from("\n")]));
    else {
      const narrowed = [values.reason, values.upload, values.since, values.open].some((value) => value !== undefined);
      process.stdout.write(await summaryOf(items, values.samples ?? 2, narrowed));
    }
    return 0;
  } finally {
    log.close();
  }
};

const refuseWrite = (): Promise<never> => Promise.reject(new Error("this command only reads"));

const write = async (chunk: string | Buffer): Promise<void> => {
  if (!process.stdout.write(chunk)) await new Promise((resolve) => process.stdout.once("drain", resolve));
};

const answerOf = (item: QuarantinedItem) => ({
  receipt_id: item.receiptId,
  row_number: item.rowNumber,
  code: item.code,
  field: item.field,
  message: item.message,
  source: item.source,
  schema_version: item.schemaVersion,
  quarantined_at: new Date(item.quarantinedAtMs).toISOString(),
  replayed: item.replayed,
  original_base64: Buffer.from(item.original).toString("base64"),
});

interface Reason {
  items: number;
  appended: number;
  refused: number;
  readonly samples: QuarantinedItem[];
}

const SHOWN = 120;

/** Counts of each reason and its first items. Holds no more than the samples. */
const summaryOf = async (
  items: AsyncIterable<QuarantinedItem>,
  samples: number,
  narrowed: boolean,
): Promise<string> => {
  const reasons = new Map<string, Reason>();
  for await (const item of items) {
    const reason = reasons.get(item.code) ?? { items: 0, appended: 0, refused: 0, samples: [] };
    reasons.set(item.code, reason);
    reason.items++;
    if (item.replayed !== undefined) reason[item.replayed.outcome]++;
    if (reason.samples.length < samples) reason.samples.push(item);
  }
  if (reasons.size === 0) return narrowed ? "Nothing of this is in quarantine.\n" : "Nothing is in quarantine.\n";
  const sorted = [...reasons].sort(([, a], [, b]) => b.items - a.items);
  const columns = [
    { name: "reason", align: "left" },
    ...["items", "open", "sent again: taken", "refused again"].map((name) => ({ name, align: "right" as const })),
  ] as const;
  const rows = sorted.map(([code, { items: count, appended, refused }]) => [
    code,
    ...[count, count - appended - refused, appended, refused].map((value) => value.toLocaleString("en")),
  ]);
  const table = renderTable(columns, rows, process.stdout.columns ?? 100).text;
  const shown = sorted.flatMap(([code, { samples: some }]) =>
    some.flatMap((item) => [
      `${code}: ${item.message}`,
      `  ${item.receiptId} row ${item.rowNumber}: ${printable(item.original)}`,
    ]),
  );
  return `${table}${shown.length === 0 ? "" : `\n${shown.join("\n")}\n`}`;
};

/** The beginning of the bytes, with nothing that could steer a terminal. */
const printable = (bytes: Uint8Array): string => {
  const text = Buffer.from(bytes.subarray(0, SHOWN * 4)).toString("utf8");
  const plain = text.replace(/[\p{C}]/gu, "·").slice(0, SHOWN);
  return bytes.length > plain.length ? `${plain} …` : plain;
};
