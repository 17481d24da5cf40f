import type { ObjectStore } from "@ebb/ports";
import { FileProblem } from "./file-problem.ts";
import type { FileShape } from "./file-shape.ts";
import type { Position, RecordSink } from "./split-records.ts";
import type { UploadOptions } from "./upload-options.ts";

export const workbookShape = async (
  _objects: ObjectStore,
  _key: string,
  _bytes: number,
  _options: UploadOptions,
): Promise<FileShape> => {
  throw new FileProblem("unreadable_file", "not yet");
};
// eslint-disable-next-line require-yield
export async function* readWorkbook(
  _objects: ObjectStore,
  _key: string,
  _from: Position,
  _sink: RecordSink,
): AsyncGenerator<Position> {
  throw new FileProblem("unreadable_file", "not yet");
}
