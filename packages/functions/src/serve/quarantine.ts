/** What was refused, with its reason: as a list, as JSON lines, or one receipt's original bytes to mend and send again. */
import type { ReceiptId } from "@ebb/core/ids";
import { reasonCodes } from "@ebb/core/reasons";
import { parseInstant } from "@ebb/core/time";
import type { Ports, QuarantinedItem } from "@ebb/ports";
import { authorize } from "../runtime/authorisation.ts";
import { type HttpEvent, type HttpHandler, type HttpResult, httpHandler, json } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { Problem } from "../runtime/problem.ts";
import { pageFrom, pageOf } from "./paging.ts";

/** Originals in one answer. Lambda's ends at 6 MB, and they may double as JSON (quotes) and grow by a third in base64. */
const ANSWER_BYTES = 2_000_000;
const formats = ["json", "jsonl", "original"] as const;

export const make = ({ keys, quarantine }: Pick<Ports, "keys" | "quarantine">): HttpHandler =>
  httpHandler(async (event) => {
    await authorize(keys, event);
    const { limit, cursor } = pageOf(event, ["receipt_id", "code", "since", "open", "format"]);
    const { receiptId, code, sinceMs, open, format } = parametersOf(event);
    const page = await fittingPage(quarantine, { receiptId, code, sinceMs, open, limit, cursor });
    if (format === "json") {
      const counts = cursor === undefined ? { counts: await quarantine.counts({ receiptId }) } : {};
      const next = page.cursor === undefined ? {} : { cursor: page.cursor };
      return json(200, { items: page.items.map(answerOf), ...counts, ...next });
    }
    return download(page, format, receiptId ?? "quarantine");
  });

/** The page, or as much of it from the start as one answer holds. */
const fittingPage = async (
  quarantine: Ports["quarantine"],
  query: Parameters<Ports["quarantine"]["list"]>[0],
): ReturnType<Ports["quarantine"]["list"]> => {
  const page = await pageFrom(quarantine.list(query));
  const bytes = page.items.reduce((sum, item) => sum + item.original.length, 0);
  if (bytes <= ANSWER_BYTES || page.items.length <= 1) return page;
  return await fittingPage(quarantine, { ...query, limit: Math.floor(page.items.length / 2) });
};

const parametersOf = (event: HttpEvent) => {
  const { receipt_id: receipt, code, since, open, format = "json" } = event.queryStringParameters ?? {};
  const sinceMs = since === undefined ? undefined : parseInstant(since);
  if (since !== undefined && sinceMs === undefined)
    throw new Problem("invalid_parameter", "since is an instant like 2026-01-31T00:00:00Z.", { parameter: "since" });
  if (open !== undefined && open !== "true" && open !== "false")
    throw new Problem("invalid_parameter", "open is true or false.", { parameter: "open" });
  if (code !== undefined && !(reasonCodes as readonly string[]).includes(code))
    throw new Problem("invalid_parameter", `code is one of ${reasonCodes.join(", ")}.`, { parameter: "code" });
  const known = formats.find((name) => name === format);
  if (known === undefined)
    throw new Problem("invalid_parameter", `format is one of ${formats.join(", ")}.`, { parameter: "format" });
  if (known === "original" && receipt === undefined)
    throw new Problem("invalid_parameter", "format=original needs the receipt_id whose rows are wanted.", {
      parameter: "receipt_id",
    });
  return { receiptId: receipt as ReceiptId | undefined, code, sinceMs, open: open === "true", format: known };
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
  ...(item.replayed === undefined
    ? {}
    : {
        replayed: {
          receipt_id: item.replayed.receiptId,
          outcome: item.replayed.outcome,
          at: new Date(item.replayed.atMs).toISOString(),
        },
      }),
  ...originalOf(item.original),
});

/** Other control characters than these would take six bytes each in JSON. */
// eslint-disable-next-line no-control-regex -- it is control characters that are looked for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;

/** Text where the bytes are plain UTF-8, else base64: in both the bytes come back as they were. */
const originalOf = (bytes: Uint8Array): { original: string } | { original_base64: string } => {
  try {
    const original = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!CONTROL.test(original)) return { original };
  } catch {
    // Not UTF-8.
  }
  return { original_base64: Buffer.from(bytes).toString("base64") };
};

/** One file. What does not fit goes on with the cursor in `x-next-cursor`. */
const download = (
  page: { items: QuarantinedItem[]; cursor?: string },
  format: "jsonl" | "original",
  name: string,
): HttpResult => {
  const lines = page.items.map((item) =>
    format === "original" ? item.original : Buffer.from(JSON.stringify(answerOf(item))),
  );
  const body = Buffer.concat(lines.flatMap((line) => [line, Buffer.from("\n")]));
  return {
    statusCode: 200,
    headers: {
      "content-type": format === "jsonl" ? "application/x-ndjson" : "application/octet-stream",
      "content-disposition": `attachment; filename="${name.replace(/[^A-Za-z0-9_-]/g, "_")}.${format === "jsonl" ? "jsonl" : "txt"}"`,
      ...(page.cursor === undefined ? {} : { "x-next-cursor": page.cursor }),
    },
    body: body.toString("base64"),
    isBase64Encoded: true,
  };
};

export const handler = onAws(make);
