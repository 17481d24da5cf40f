/** What arrived and what became of it, by request and upload. */
import type { ReceiptId } from "@ebb/core/ids";
import type { LedgerLine, Ports } from "@ebb/ports";
import { authorize } from "../runtime/authorisation.ts";
import { type HttpHandler, httpHandler, json } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { Problem } from "../runtime/problem.ts";
import { checkNames } from "./marts/parameters.ts";
import { pageFrom, pageOf } from "./paging.ts";
import { settledLine } from "./settled-line.ts";

export const make = ({ keys, ledger, uploads }: Pick<Ports, "keys" | "ledger" | "uploads">): HttpHandler =>
  httpHandler(async (event) => {
    await authorize(keys, event);
    const id = event.pathParameters?.["id"];
    if (id !== undefined) {
      checkNames(event, []);
      const line = await ledger.read(id as ReceiptId);
      if (line === undefined) throw new Problem("not_found", "No request or upload has this id.");
      return json(200, answerOf(await settledLine(line, uploads)));
    }
    const { lines, cursor } = await pageFrom(ledger.list(pageOf(event)));
    const settled = await Promise.all(lines.map((line) => settledLine(line, uploads)));
    return json(200, { lines: settled.map(answerOf), ...(cursor === undefined ? {} : { cursor }) });
  });

/** `accepted` and `duplicate` are absent until they are settled. */
const answerOf = (line: LedgerLine) => ({
  receipt_id: line.receiptId,
  channel: line.channel,
  source: line.source,
  received: line.received,
  appended: line.appended,
  quarantined: line.quarantined,
  accepted: line.accepted,
  duplicate: line.duplicate,
  received_at: new Date(line.receivedAtMs).toISOString(),
});

export const handler = onAws(make);
