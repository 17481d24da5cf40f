/** What is declared of sources and what stands of it, for answers that tell of it. */
import type { AwsPorts } from "@ebb/ports/aws";
import type { Source } from "../../collect/sources.ts";
import { readDeclared } from "../../collect/sources/declared.ts";
import { columnsIn } from "../../model/sources-on-aws.ts";

export interface Catalogued {
  readonly sources: readonly Source[];
  /** A table's columns with the lake's types; `undefined` for one that was never filled. */
  readonly columnsOf: (table: string) => Promise<Readonly<Record<string, string>> | undefined>;
  readonly loadedAtMs: (source: string) => Promise<number | undefined>;
}

export interface CataloguedPort {
  /** Absent where no source is declared. */
  readonly catalogued?: () => Promise<Catalogued>;
}

/** The ports of AWS with it: the declarations travel with the function's code. */
export const withCatalogued = (ports: AwsPorts): AwsPorts & CataloguedPort => {
  const file = process.env["EBB_SOURCES_FILE"];
  if (file === undefined) return ports;
  const value: CataloguedPort["catalogued"] = async () => ({
    sources: readDeclared(file),
    columnsOf: (table) => columnsIn(ports.objects, table),
    loadedAtMs: async (name) => (await ports.sources.get(name))?.loadedAtMs,
  });
  // Spreading would build every port of AWS's.
  return Object.create(ports, { catalogued: { value } }) as AwsPorts & CataloguedPort;
};
