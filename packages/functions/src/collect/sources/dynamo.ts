/** A declared DynamoDB table in the words of a load: items are rows, the elements of a list are lines. */
import type { SourceType } from "@ebb/ports/source-ports";
import { DELETED, PARENT, PLACE } from "@ebb/ports/source-readers/dynamo-rows";
import type { DynamoSource } from "../sources.ts";
import type { LoadSpec } from "./shape.ts";

/** The time of a row is a time, whatever else is said. */
export const typesOf = ({ fields, types }: DynamoSource): Readonly<Record<string, SourceType>> => {
  const occurredAt = fields["occurred_at"];
  return { ...(occurredAt === undefined ? {} : { [occurredAt]: "timestamp" as const }), ...types };
};

/**
 * A scan reads the table whole and compares, as a snapshot of a relational table does. Exports tell what changed since
 * the last one: their watermark is the instant up to which they tell.
 */
export const dynamoLoad = (spec: DynamoSource): LoadSpec => {
  const { lines, read, types, where, ...rest } = spec;
  const isScan = "scan" in read;
  return {
    ...rest,
    mode: isScan ? "snapshot" : "incremental",
    deletion: isScan ? "none" : { field: DELETED },
    untyped: true,
    // How fast it is read says nothing of what is read; the number of segments is part of a position.
    besides: { types, where, read: isScan ? { segments: read.scan.segments } : { ...read.export, request: undefined } },
    ...(lines === undefined
      ? {}
      : {
          lines: {
            table: `${spec.table} (${lines.list})`,
            order: PARENT,
            key: lines.key.length === 0 ? [PLACE] : lines.key,
            fields: { order_id: PARENT, ...(lines.key.length === 0 ? { line_id: PLACE } : {}), ...lines.fields },
            keep: lines.keep,
          },
        }),
  };
};
