/** K-Means over R, F, M of real customers against scikit-learn's best of ten starts. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import Papa from "papaparse";
import { kMeans } from "@ebb/core/clusters/k-means";
import { type RfmColumns, rfmPoints, scalesOf } from "@ebb/core/clusters/rfm-space";
import { silhouettes } from "@ebb/core/clusters/silhouette";
import { adjustedRand } from "@ebb/core/clusters/stability";
import { dataFile, missing } from "../uploads/online-retail-file.ts";
import { askPython } from "./environment.ts";

const DAY_MS = 86_400_000;

/** R, F, M of customers by orders: customer, order, day, amount. */
const columnsOf = (lines: Iterable<readonly [string, string, number, number]>, lastDay: number): RfmColumns => {
  const customers = new Map<string, { orders: Set<string>; day: number; amount: number }>();
  for (const [customer, order, day, amount] of lines) {
    const known = customers.get(customer) ?? { orders: new Set<string>(), day: -Infinity, amount: 0 };
    customers.set(customer, known);
    known.orders.add(order);
    known.day = Math.max(known.day, day);
    known.amount += amount;
  }
  const rows = [...customers.values()];
  return {
    recency: Float64Array.from(rows, ({ day }) => lastDay - day),
    frequency: Float64Array.from(rows, ({ orders }) => orders.size),
    monetary: Float64Array.from(rows, ({ amount }) => Math.round(amount * 100)),
  };
};

const cdnow = (): RfmColumns => {
  const lines = gunzipSync(readFileSync(dataFile("cdnow_master.txt.gz")))
    .toString("latin1")
    .split("\n");
  return columnsOf(
    lines.flatMap((line) => {
      const [customer, date, , dollars] = line.trim().split(/\s+/);
      if (customer === undefined || date === undefined || customer === "customer_id") return [];
      const day = Date.UTC(Number(date.slice(0, 4)), Number(date.slice(4, 6)) - 1, Number(date.slice(6))) / DAY_MS;
      return [[customer, date, day, Number(dollars)] as const];
    }),
    Date.UTC(1998, 5, 30) / DAY_MS,
  );
};

const onlineRetail = (): RfmColumns => {
  type Row = Record<"InvoiceNo" | "Quantity" | "UnitPrice" | "CustomerID" | "InvoiceDate", string>;
  const text = gunzipSync(readFileSync(dataFile("online_retail.csv.gz"))).toString("latin1");
  const { data } = Papa.parse<Row>(text, { header: true, skipEmptyLines: true });
  return columnsOf(
    data.flatMap((row) =>
      row.CustomerID === "" || row.InvoiceNo.startsWith("C")
        ? []
        : [
            [
              row.CustomerID,
              row.InvoiceNo,
              Math.floor(Date.parse(`${row.InvoiceDate.replace(" ", "T")}Z`) / DAY_MS),
              Number(row.Quantity) * Number(row.UnitPrice),
            ] as const,
          ],
    ),
    Date.UTC(2011, 11, 10) / DAY_MS,
  );
};

const sets = [
  { name: "CDNOW", file: "cdnow_master.txt.gz", read: cdnow, customers: 23_570 },
  { name: "Online Retail", file: "online_retail.csv.gz", read: onlineRetail, customers: 4_339 },
].filter(({ file }) => existsSync(dataFile(file)));
const candidates = [3, 5, 8];

interface Answer {
  readonly points: number[];
  readonly inertia: Record<string, number>;
  readonly silhouette: number;
  readonly adjustedRand: number;
}

describe("clusters beside scikit-learn", { skip: sets.length === 0 ? missing("cdnow_master.txt.gz") : false }, () => {
  let compared: {
    name: string;
    columns: RfmColumns;
    labels: Uint8Array;
    others: Uint8Array;
    answer: Answer;
  }[];
  before(async () => {
    const asked = sets.map(({ name, read, customers }) => {
      const columns = read();
      assert.equal(columns.recency.length, customers);
      const points = rfmPoints(columns, scalesOf(columns));
      const [labels, others] = [4, 6].map((k) => kMeans(points, { k, seed: 1 }).assignment) as [Uint8Array, Uint8Array];
      return { name, columns, labels, others };
    });
    const answers = (await askPython(
      "clusters_oracle.py",
      asked.map(({ columns, labels, others }) => ({
        recency: [...columns.recency],
        frequency: [...columns.frequency],
        monetary: [...columns.monetary],
        k: candidates,
        labels: [...labels],
        others: [...others],
      })),
    )) as Answer[];
    compared = asked.map((set, i) => ({ ...set, answer: answers[i]! }));
  });

  it("have points as NumPy makes them", () => {
    for (const { columns, answer } of compared) {
      const { values } = rfmPoints(columns, scalesOf(columns));
      answer.points.forEach((value, i) => assert.ok(Math.abs(value - values[i]!) < 1e-9, `value ${i}`));
    }
  });

  it("have an inertia no more than 0.1 % above its best of ten starts, for every number of clusters", (context) => {
    for (const { name, columns, answer } of compared)
      for (const k of candidates) {
        const { inertia } = kMeans(rfmPoints(columns, scalesOf(columns)), { k, seed: 1 });
        const ratio = inertia / answer.inertia[k]!;
        context.diagnostic(`${name}, k ${k}: inertia ${inertia.toFixed(2)}, ratio to scikit-learn ${ratio.toFixed(6)}`);
        assert.ok(ratio < 1.001, `${name}, k ${k}: ratio ${ratio}`);
      }
  });

  it("have its silhouette and its adjusted Rand index", () => {
    for (const { columns, labels, others, answer } of compared) {
      const { values } = rfmPoints(columns, scalesOf(columns));
      const first = { values: values.slice(0, 9_000), dimensions: 3 };
      const [found] = silhouettes(first, [{ assignment: labels.slice(0, 3_000), k: 4 }]);
      assert.ok(Math.abs(found! - answer.silhouette) < 1e-9);
      assert.ok(Math.abs(adjustedRand(labels, others) - answer.adjustedRand) < 1e-12);
    }
  });
});
