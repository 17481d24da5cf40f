import type { ObjectStore } from "@ebb/ports";
import type { FileShape } from "./file-shape.ts";
import { SAMPLE_BYTES, sniff } from "./sniff.ts";
import { beginning } from "./unpacked.ts";
import type { UploadOptions } from "./upload-options.ts";
import { workbookShape } from "./workbook.ts";

/** How the records of a stored file are read. @throws FileProblem that says what was expected */
export const shapeOfUpload = async (
  objects: ObjectStore,
  key: string,
  bytes: number,
  options: UploadOptions,
): Promise<FileShape> => {
  const raw = await beginning(await objects.get(key), SAMPLE_BYTES);
  const sniffed = await sniff(raw, bytes <= SAMPLE_BYTES, options);
  return "workbook" in sniffed ? await workbookShape(objects, key, bytes, options) : sniffed;
};
