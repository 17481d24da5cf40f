/** How the records of a file are read: found out once, from its beginning, and kept with the upload's checkpoint. */
import { z } from "zod";
import { columnRoles } from "@ebb/core/files/layouts";

export const FileShape = z.object({
  format: z.enum(["delimited", "blanks", "json_lines", "xlsx"]),
  gzip: z.boolean(),
  encoding: z.enum(["utf-8", "utf-16le", "utf-16be", "windows-1252"]),
  newline: z.int(),
  delimiter: z.string().length(1),
  /** Names of the columns, or empty for a file without a header. */
  header: z.array(z.string()),
  width: z.int(),
  layout: z.string(),
  columns: z.partialRecord(z.enum(columnRoles), z.int()),
  /** Where the first row of data starts. */
  start: z.object({ byte: z.int(), row: z.int() }),
  /** Of a workbook: what its numbers in a date column count from. */
  serials: z.union([z.literal(1900), z.literal(1904)]).optional(),
});
export type FileShape = z.infer<typeof FileShape>;
