/** How a client says a file is to be read: in the query of the request, or in the body that asks for an upload URL. */
import { z } from "zod";
import { columnRoles, layoutNames } from "@ebb/core/files/layouts";
import { currencyDigits } from "@ebb/core/money";

const oneOf = (what: string, values: readonly string[]) => `${what} is one of ${values.join(", ")}`;

/** `\t` and `tab` are what people can type. */
const Delimiter = z
  .string()
  .transform((text) => (text === "\\t" || text === "tab" ? "\t" : text))
  .refine((text) => [",", ";", "\t", "|"].includes(text), "delimiter is a comma, a semicolon, tab or |");

/** `{"role": "header"}`; in a query as JSON text. */
const Mapping = z
  .union([
    z.string().transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.issues.push({ code: "custom", message: "mapping is not JSON", input: undefined });
        return z.NEVER;
      }
    }),
    z.unknown(),
  ])
  .pipe(z.partialRecord(z.enum(columnRoles), z.string().min(1).max(200)));

export const UploadOptions = z.object({
  layout: z.enum(layoutNames as [string, ...string[]], oneOf("layout", layoutNames)).optional(),
  mapping: Mapping.optional(),
  mode: z.enum(["append", "replace"], oneOf("mode", ["append", "replace"])).optional(),
  currency: z
    .string()
    .transform((code) => code.toUpperCase())
    .refine((code) => currencyDigits(code) !== undefined, "currency is an ISO 4217 code")
    .optional(),
  date_format: z.enum(["iso", "mdy", "dmy", "excel"], oneOf("date_format", ["iso", "mdy", "dmy", "excel"])).optional(),
  delimiter: Delimiter.optional(),
  decimal: z.enum([".", ","], "decimal is . or ,").optional(),
  encoding: z
    .enum(
      ["utf-8", "utf-16le", "utf-16be", "windows-1252"],
      oneOf("encoding", ["utf-8", "utf-16le", "utf-16be", "windows-1252"]),
    )
    .optional(),
  header: z
    .union([z.boolean(), z.enum(["yes", "no"], "header is yes or no").transform((text) => text === "yes")])
    .optional(),
});
export type UploadOptions = z.infer<typeof UploadOptions>;
