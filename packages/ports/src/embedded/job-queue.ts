import type { ReceiptId } from "@ebb/core/ids";
import type { JobQueue } from "../ports.ts";

/**
 * Jobs of one machine: a call to whoever runs them. It is durable through the upload store, where a queued upload is
 * found again at start (`EmbeddedUploadStore.unfinished`).
 */
export const embeddedJobQueue = (start: (uploadId: ReceiptId) => void): JobQueue => ({
  processUpload: async (uploadId) => start(uploadId),
});
