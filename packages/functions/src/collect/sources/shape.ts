/** What a declaration asks of a load: which fields are read, in which order, and what they become. */
import { digest } from "@ebb/core/ids";
import type { ReadPlan } from "@ebb/ports/source-ports";
import { type Mapping, type SourceKind, mappingOf } from "./roles.ts";

/** What a load asks of a declaration, whatever it is read from. */
export interface LoadSpec {
  readonly name: string;
  readonly source: string;
  readonly maps: SourceKind;
  readonly fields: Readonly<Record<string, string>>;
  readonly keep: readonly string[];
  readonly personal: readonly string[];
  readonly currency?: string | undefined;
  readonly cancelled: readonly string[];
  readonly table?: string | undefined;
  readonly query?: string | undefined;
  readonly key: readonly string[];
  readonly mode: "incremental" | "snapshot";
  readonly watermark?: { readonly field: string; readonly overlap: number } | undefined;
  readonly deletion?: "none" | "keys" | { readonly field: string } | undefined;
  readonly timezone?: string | undefined;
  readonly lines?:
    | {
        readonly table: string;
        readonly order: string;
        readonly key: readonly string[];
        readonly fields: Readonly<Record<string, string>>;
        readonly keep: readonly string[];
      }
    | undefined;
  readonly page: number;
  /** Nobody holds the values to their types before they come: each is looked at, and null where it is none of its type. */
  readonly untyped?: boolean;
  /** What else of the declaration, when it changes, has everything read again. */
  readonly besides?: unknown;
}

/** What is read of a source, fixed before the first row. */
export interface Shape {
  readonly spec: LoadSpec;
  readonly plan: ReadPlan;
  readonly mapping: Mapping;
  readonly linesPlan?: ReadPlan;
  readonly linesMapping?: Mapping;
  readonly digest: string;
}

export const shapeOf = (spec: LoadSpec): Shape => {
  const from = spec.table === undefined ? { query: spec.query! } : { table: spec.table };
  const deletedField = typeof spec.deletion === "object" ? spec.deletion.field : undefined;
  const mapping = mappingOf({
    fields: spec.fields,
    keep: spec.keep,
    key: spec.key,
    always: spec.watermark === undefined ? [] : [spec.watermark.field],
    besides: [...spec.personal, ...(deletedField === undefined ? [] : [deletedField])],
    untyped: spec.untyped,
  });
  const plan: ReadPlan = {
    from,
    fields: mapping.read,
    key: spec.key,
    ...(spec.watermark === undefined ? {} : { watermark: spec.watermark.field }),
    ...(spec.timezone === undefined ? {} : { timezone: spec.timezone }),
  };
  const shape = {
    spec,
    plan,
    mapping,
    digest: digest(JSON.stringify({ ...spec, schedule: undefined, page: undefined })),
  };
  if (spec.lines === undefined) return shape;
  const { lines } = spec;
  const linesMapping = mappingOf({
    fields: lines.fields,
    keep: lines.keep,
    key: lines.key,
    always: [lines.order],
    untyped: spec.untyped,
  });
  const linesPlan = {
    from: { table: lines.table },
    fields: linesMapping.read,
    key: lines.key,
    ...(spec.timezone === undefined ? {} : { timezone: spec.timezone }),
  };
  return { ...shape, linesPlan, linesMapping };
};

/** The column of the lines' table that names the order, and the column of the orders' that it names. */
export const linesLinkOf = ({
  spec: { lines },
  mapping,
  linesMapping,
}: Shape): { readonly parent: string; readonly parentKey: string } | undefined =>
  lines === undefined
    ? undefined
    : {
        parent: linesMapping!.columns.find(({ field }) => field === lines.order)!.name,
        parentKey: mapping.key[0]!,
      };
