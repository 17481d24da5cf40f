/** What arrived and what became of it, by request and upload. */
import type { ReceiptId } from "@ebb/core/ids";
import type { LedgerLine, Ports } from "@ebb/ports";
import { authorize } from "../runtime/authorisation.ts";
import { type HttpHandler, httpHandler, json } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { Problem } from "../runtime/problem.ts";
import { checkNames } from "./marts/parameters.ts";
import { pageFrom, pageOf } from "./paging.ts";

export const make = ({ keys, ledger }: Pick<Ports, "keys" | "ledger">): HttpHandler =>
  httpHandler(async (event) => {
    await authorize(keys, event);
    const id = event.pathParameters?.["id"];
    if (id !== undefined) {
      checkNames(event, []);
      const line = await ledger.read(id as ReceiptId);
      if (line === undefined) throw new Problem("not_found", "No request or upload has this id.");
      return json(200, answerOf(line));
    }
    const { lines, cursor } = await pageFrom(ledger.list(pageOf(event)));
    return json(200, { lines: lines.map(answerOf), ...(cursor === undefined ? {} : { cursor }) });
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
