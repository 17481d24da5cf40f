import type { Upload } from "@ebb/ports";

/** An upload as the API shows it. */
export const uploadAnswer = (upload: Upload) => ({
  upload_id: upload.uploadId,
  state: upload.state,
  source: upload.source,
  ...(upload.filename === undefined ? {} : { filename: upload.filename }),
  options: upload.options,
  created_at: new Date(upload.createdAtMs).toISOString(),
  updated_at: new Date(upload.updatedAtMs).toISOString(),
  ...(upload.progress === undefined
    ? {}
    : {
        progress: {
          rows_read: upload.progress.rowsRead,
          bytes_read: upload.progress.bytesRead,
          ...(upload.progress.bytesTotal === undefined ? {} : { bytes_total: upload.progress.bytesTotal }),
        },
      }),
  ...(upload.ledger === undefined ? {} : { ledger: upload.ledger }),
  ...(upload.problem === undefined ? {} : { problem: upload.problem }),
  links: {
    self: `/v1/uploads/${upload.uploadId}`,
    quarantine: `/v1/quarantine?receipt_id=${upload.uploadId}`,
  },
});
