/** The data catalogue: the lake's tables and the declared sources, from the definitions that make them. */
import { createHash } from "node:crypto";
import type { Ports } from "@ebb/ports";
import { z } from "zod";
import { type SourceEntry, sourceEntries } from "../collect/sources/catalogue.ts";
import { authorize } from "../runtime/authorisation.ts";
import { isKnown } from "../runtime/etag.ts";
import { type HttpHandler, header, httpHandler } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { type Catalogued, type CataloguedPort, withCatalogued } from "./catalogue/catalogued.ts";
import { type LakeTable, lakeTables } from "./catalogue/lake-tables.ts";
import { type Catalogue, cataloguePage } from "./catalogue/page.ts";
import { parametersOf } from "./marts/parameters.ts";
import { pageHeaders } from "./page.ts";

export type CataloguePorts = Pick<Ports, "keys"> & CataloguedPort;

const shape = { format: z.enum(["json", "html"]).default("json") };

export const make = (ports: CataloguePorts): HttpHandler =>
  httpHandler(async (event) => {
    await authorize(ports.keys, event);
    const { format } = parametersOf(event, shape);
    const catalogue: Catalogue = { sources: await entriesOf(await ports.catalogued?.()), tables: lakeTables };
    const body = format === "html" ? cataloguePage(catalogue) : JSON.stringify(catalogueJson(catalogue));
    const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
    const kept = { etag, "cache-control": "private, no-cache", vary: "authorization" };
    if (isKnown(header(event, "if-none-match"), etag)) return { statusCode: 304, headers: kept };
    const headers = format === "html" ? pageHeaders : { "content-type": "application/json" };
    return { statusCode: 200, headers: { ...kept, ...headers }, body };
  });

const entriesOf = async (catalogued: Catalogued | undefined): Promise<Catalogue["sources"]> => {
  if (catalogued === undefined) return [];
  const { sources, columnsOf, loadedAtMs } = catalogued;
  // Which tables there are does not hang on their types.
  const names = sourceEntries(sources, () => undefined).flatMap(({ tables }) => tables.map(({ name }) => name));
  const types = new Map(await Promise.all(names.map(async (name) => [name, await columnsOf(name)] as const)));
  return Promise.all(
    sourceEntries(sources, (name) => types.get(name)).map(async (entry) => {
      const atMs = await loadedAtMs(entry.name);
      return atMs === undefined ? entry : { ...entry, loadedAt: new Date(atMs).toISOString() };
    }),
  );
};

/** In the names of the API. */
const catalogueJson = ({ sources, tables }: Catalogue): object => ({
  sources: sources.map(sourceJson),
  tables: tables.map(({ partitionedBy, madeOf, ...rest }: LakeTable) => ({
    ...rest,
    ...(partitionedBy === undefined ? {} : { partitioned_by: partitionedBy }),
    made_of: madeOf,
  })),
});

const sourceJson = ({ loadedAt, of, tables, ...rest }: SourceEntry & { readonly loadedAt?: string }): object => ({
  ...rest,
  source: of,
  ...(loadedAt === undefined ? {} : { loaded_at: loadedAt }),
  tables: tables.map(({ columns, ...table }) => ({
    ...table,
    columns: columns.map(({ isKey, isCustomer, ...column }) => ({ ...column, key: isKey, pseudonym: isCustomer })),
  })),
});

export const handler = onAws((ports) => make(withCatalogued(ports)));
