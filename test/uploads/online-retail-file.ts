/** UCI's Online Retail file and what a slow, obvious computation makes of it: papaparse, plain maps, no code of ours. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import Papa from "papaparse";

export const dataFile = (name: string): string =>
  path.join(process.env["EBB_TEST_DATA"] ?? path.resolve(import.meta.dirname, "../../../shared/data"), name);

/** For the `skip` option of a test: the message, or false. */
export const missing = (name: string): string | false =>
  existsSync(dataFile(name)) ? false : `${dataFile(name)} is not there; EBB_TEST_DATA names another folder`;

export const read = (name: string): Buffer => gunzipSync(readFileSync(dataFile(name)));

export interface PlainCustomer {
  readonly orders: number;
  readonly grossMinor: number;
  readonly refundMinor: number;
  readonly first: string | undefined;
  readonly last: string | undefined;
}

/** Pence of a line: no line of the file lies on half a penny but for prices of 0.001, which the sum rounds down. */
const pence = (row: readonly string[]): number => {
  const exact = Math.abs(Number(row[3]) * Number(row[5]) * 100);
  const rounded = Math.floor(exact + 0.5 + 1e-6);
  return Number(row[3]) * Number(row[5]) < 0 ? -rounded : rounded;
};

/** RFM straight from the rows: by producer's customer id. */
export const plainCustomers = (csv: string): Map<string, PlainCustomer> => {
  const invoices = new Map<string, { customer: string; minor: number; first: string }>();
  for (const row of Papa.parse<string[]>(csv.trimEnd()).data.slice(1)) {
    const known = invoices.get(row[0]!);
    if (known === undefined)
      invoices.set(row[0]!, { customer: row[6]!.replace(".0", ""), minor: pence(row), first: row[4]! });
    else {
      known.minor += pence(row);
      if (row[4]! < known.first) known.first = row[4]!;
    }
  }
  const customers = new Map<string, PlainCustomer>();
  for (const [invoice, { customer, minor, first }] of invoices) {
    if (customer === "") continue;
    const sum = customers.get(customer) ?? {
      orders: 0,
      grossMinor: 0,
      refundMinor: 0,
      first: undefined,
      last: undefined,
    };
    const at = `${first.replace(" ", "T")}.000Z`;
    const isRefund = invoice.startsWith("C");
    const counts = !isRefund && minor > 0;
    customers.set(customer, {
      orders: sum.orders + (counts ? 1 : 0),
      grossMinor: sum.grossMinor + (isRefund ? 0 : minor),
      refundMinor: sum.refundMinor - (isRefund ? minor : 0),
      first: counts && (sum.first === undefined || at < sum.first) ? at : sum.first,
      last: counts && (sum.last === undefined || at > sum.last) ? at : sum.last,
    });
  }
  return customers;
};

/** The same order every time. */
export const shuffled = <T>(items: readonly T[], seed: number): T[] => {
  const result = [...items];
  let state = seed;
  for (let at = result.length - 1; at > 0; at--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const other = Math.floor((state / 2 ** 32) * (at + 1));
    [result[at], result[other]] = [result[other]!, result[at]!];
  }
  return result;
};
