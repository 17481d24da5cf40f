/** A line of the ledger with what its upload knows: rows of a file are settled by the upload, when it is read to its end. */
import type { LedgerLine, UploadStore } from "@ebb/ports";

/** The line; `accepted` and `duplicate` stay absent while nobody can know them. */
export const settledLine = async (line: LedgerLine, uploads: Pick<UploadStore, "get">): Promise<LedgerLine> => {
  if (line.channel !== "upload" || line.accepted !== undefined) return line;
  const upload = await uploads.get(line.receiptId);
  if (upload?.state !== "done" || upload.ledger === undefined || upload.ledger.settled === false) return line;
  const { accepted, duplicate } = upload.ledger;
  return { ...line, accepted, duplicate };
};
