/**
 * All that is kept of one person, for that person: what the profile says, figures, orders, scores, what declared sources told
 * and every event.
 */
import { netMinor } from "@ebb/core/customers";
import type { Ports } from "@ebb/ports";
import { loadOf } from "../collect/sources/catalogue.ts";
import { linesLinkOf, shapeOf } from "../collect/sources/shape.ts";
import { authorize } from "../runtime/authorisation.ts";
import { type HttpHandler, httpHandler, json } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { Problem } from "../runtime/problem.ts";
import { type CataloguedPort, withCatalogued } from "./catalogue/catalogued.ts";
import { customerKeyOf } from "./customer-key.ts";
import { type MartRow, rowsOf } from "./marts/mart-handler.ts";
import { parametersOf, wholeNumber } from "./marts/parameters.ts";

export type CustomerExportPorts = Pick<
  Ports,
  "keys" | "pseudonyms" | "settings" | "suppressions" | "profiles" | "customers" | "scores" | "queries"
> &
  CataloguedPort;

/** Events of one answer: an order of 20 lines has 4 kB, and Lambda answers 6 MB. */
const EVENTS = 1_000;
/** Of one table of a declared source. */
const ROWS = 1_000;
export const customerExportShape = { after: wholeNumber(0, 1_000_000_000).default(0) };

export const make = (ports: CustomerExportPorts): HttpHandler =>
  httpHandler(async (event) => {
    await authorize(ports.keys, event);
    const { after } = parametersOf(event, customerExportShape);
    const key = customerKeyOf(event.pathParameters?.["id"] ?? "", ports.pseudonyms);
    if ((await ports.suppressions.latest()).has(key)) throw nobody();
    const { dialect } = ports.queries;
    const [told, profile, states, orders, scores, events] = await Promise.all([
      // They do not go on with the events: the first answer has them.
      after === 0 ? toldRows(ports, key) : [],
      ports.profiles.get(key),
      ports.customers.read([{ customerKey: key, orderKeys: [] }]),
      ports.customers.orders(key),
      ports.scores.scores(key),
      // Rows of one instant and receipt are told apart by their numbers; what lands later comes after them all.
      rowsOf(
        ports.queries,
        `SELECT * FROM (
           SELECT *, row_number() OVER (ORDER BY dt, hour, received_at, receipt_id, receipt_number, event_id) AS place
           FROM raw_events WHERE customer_key = ${dialect.textLiteral(key)}
         ) AS own WHERE place > ${after} AND place <= ${after + EVENTS + 1} ORDER BY place`,
      ),
    ]);
    const customer = states.get(key)?.customer;
    const isNobody = profile === undefined && customer === undefined && events.length === 0 && told.length === 0;
    if (isNobody) throw nobody();
    const more = events.length > EVENTS;
    return json(
      200,
      {
        customer_key: key,
        currency: ports.settings.rates.reportingCurrency,
        ...(profile === undefined
          ? {}
          : {
              profile: {
                customer_id: profile.customerId,
                traits: profile.traits,
                updated_at: new Date(profile.updatedAtMs).toISOString(),
              },
            }),
        ...(customer === undefined
          ? {}
          : {
              figures: {
                orders: customer.orders,
                gross_minor: customer.grossMinor,
                refunds_minor: customer.refundMinor,
                net_minor: netMinor(customer),
                months: customer.months,
              },
            }),
        orders,
        ...(scores === undefined ? {} : { scores }),
        ...(told.length === 0 ? {} : { sources: told }),
        events: events.slice(0, EVENTS).map(eventOf),
        ...(more ? { next: `${event.rawPath}?after=${after + EVENTS}` } : {}),
      },
      { "content-disposition": 'attachment; filename="customer.json"' },
    );
  });

const nobody = (): Problem => new Problem("not_found", "Nothing is kept of this customer.");

interface ToldRows {
  readonly table: string;
  readonly rows: readonly Record<string, unknown>[];
  /** There are others. */
  readonly more: boolean;
}

/** Rows about the customer in the tables that declared sources fill, and the lines of the customer's orders there. */
const toldRows = async (
  { catalogued, queries }: Pick<CustomerExportPorts, "catalogued" | "queries">,
  customerKey: string,
): Promise<readonly ToldRows[]> => {
  if (catalogued === undefined) return [];
  const { sources, columnsOf } = await catalogued();
  const rowsWhere = async (table: string, condition: string): Promise<ToldRows[]> => {
    const rows = await rowsOf(queries, `SELECT * FROM ${table} WHERE ${condition} LIMIT ${ROWS + 1}`);
    return rows.length === 0 ? [] : [{ table, rows: rows.slice(0, ROWS).map(valuesOf), more: rows.length > ROWS }];
  };
  const tables = await Promise.all(
    sources.map(async (source): Promise<ToldRows[]> => {
      const table = `source_${source.spec.name}`;
      if (source.kind === "objects" || (await columnsOf(table))?.["customer_key"] === undefined) return [];
      const own = `customer_key = ${queries.dialect.textLiteral(customerKey)}`;
      const rows = await rowsWhere(table, own);
      const link = linesLinkOf(shapeOf(loadOf(source)));
      if (link === undefined || rows.length === 0 || (await columnsOf(`${table}_lines`)) === undefined) return rows;
      const theirs = `${link.parent} IN (SELECT ${link.parentKey} FROM ${table} WHERE ${own})`;
      return [...rows, ...(await rowsWhere(`${table}_lines`, theirs))];
    }),
  );
  return tables.flat();
};

const eventOf = ({ place: _place, dt: _dt, hour: _hour, ...row }: MartRow): Record<string, unknown> => valuesOf(row);

/** The columns that have a value. */
const valuesOf = (row: MartRow): Record<string, unknown> =>
  Object.fromEntries(Object.entries(row).flatMap(([name, value]) => (value === null ? [] : [[name, plain(value)]])));

/** Large integers as numbers where JSON can hold them. */
const plain = (value: MartRow[string]): unknown => {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field ?? null)]));
  return value;
};

export const handler = onAws((ports) => make(withCatalogued(ports)));
