/** What declared sources have told in AWS, for a run: their declarations travel with the function's code. */
import type { AwsPorts } from "@ebb/ports/aws";
import { tableDocumentKey } from "@ebb/ports/aws/source-statements";
import { readJson } from "@ebb/ports/json-objects";
import { z } from "zod";
import { readDeclared } from "../collect/sources/declared.ts";
import { lastLoads, toldTablesOf } from "../collect/sources/told.ts";
import type { RunModelPorts } from "./run-model-ports.ts";

/** Of what stands there of a table, its columns. */
const Document = z.object({ columns: z.array(z.object({ name: z.string(), type: z.string() })) });

export type SourcesTold = Required<Pick<RunModelPorts, "toldTables" | "sourceLoads">>;

/** Columns of a table of a source with the lake's types; `undefined` for one that was never filled. */
export const columnsIn = async (
  objects: AwsPorts["objects"],
  table: string,
): Promise<Readonly<Record<string, string>> | undefined> => {
  const { data } = Document.safeParse(await readJson(objects, tableDocumentKey(table)));
  return data && Object.fromEntries(data.columns.map(({ name, type }) => [name, type]));
};

/** @param file the declarations. @throws SourcesInvalid when it is asked */
export const sourcesTold = (ports: Pick<AwsPorts, "sources" | "objects">, file: string): SourcesTold => ({
  toldTables: () => toldTablesOf(readDeclared(file), ports.sources, (table) => columnsIn(ports.objects, table)),
  sourceLoads: () => lastLoads(readDeclared(file), ports.sources),
});

/** The ports of AWS with what sources told. Where none is declared nobody knows of any, and none has been told. */
export const withSources = (ports: AwsPorts): AwsPorts & Partial<SourcesTold> => {
  const file = process.env["EBB_SOURCES_FILE"];
  if (file === undefined) return ports;
  const { toldTables, sourceLoads } = sourcesTold(ports, file);
  // Spreading would build every port of AWS's.
  return Object.create(ports, {
    toldTables: { value: toldTables },
    sourceLoads: { value: sourceLoads },
  }) as AwsPorts & SourcesTold;
};
