/** Published and independently computed figures of UCI's Online Retail and of CDNOW, from batch tables. */
import assert from "node:assert/strict";
import test from "node:test";
import { type CutPoints, scoresOf } from "@ebb/core/rfm";
import { cutPointsOf, parseSegmentConfiguration } from "@ebb/core/segments";
import type { DuckDBConnection } from "@duckdb/node-api";
import { rowsOf } from "../testing.ts";
import { batchTables } from "./batch-tables.ts";
import { CDNOW, ONLINE_RETAIL, loadRealData, missing } from "./real-data.ts";
import { brokenPromises, curatedLakeOf, write } from "./testing.ts";
import { curatedTables } from "./curated.ts";
import type { BatchParameters } from "../batch-table.ts";

const named = (name: string) => batchTables.find((table) => table.name === name)!;

const lakeOfFile = async (file: typeof ONLINE_RETAIL | typeof CDNOW): Promise<DuckDBConnection> => {
  const lake = await curatedLakeOf([]);
  await loadRealData(lake, file);
  for (const table of curatedTables) await write(lake, table, {});
  await write(lake, named("order_facts"), {});
  return lake;
};

const churnRate = async (lake: DuckDBConnection, parameters: BatchParameters): Promise<readonly [number, number]> => {
  for (const name of ["customer_features", "customer_labels"]) {
    await write(lake, named(name), parameters);
    assert.deepEqual(await brokenPromises(lake, named(name)), []);
  }
  const [row] = await rowsOf(lake, "SELECT count(*) AS customers, avg(churned) AS rate FROM customer_labels");
  return [Number(row!["customers"]), Number(row!["rate"])];
};

test("CDNOW: 82.3 % of the customers of 1997-10-01 buy nothing in 90 days", { skip: missing(CDNOW) }, async () => {
  const lake = await lakeOfFile(CDNOW);
  const [counted] = await rowsOf(lake, "SELECT count(*) AS rows, sum(gross_minor)::BIGINT AS minor FROM order_facts");
  assert.deepEqual(counted, { rows: 69_659, minor: 250_031_563 });
  const [customers, rate] = await churnRate(lake, { cutoff: "1997-10-01T00:00:00.000Z", horizonDays: 90 });
  // Everybody's first purchase is in the first quarter; a few of the 23,570 never paid anything.
  assert.ok(customers > 23_400 && customers <= 23_570, String(customers));
  assert.ok(Math.abs(rate - 0.823) < 0.0035, String(rate));
});

test(
  "Online Retail: 43.1 % of the customers of 2011-09-10 buy nothing in 90 days",
  { skip: missing(ONLINE_RETAIL) },
  async () => {
    const lake = await lakeOfFile(ONLINE_RETAIL);
    const [, rate] = await churnRate(lake, { cutoff: "2011-09-10T00:00:00.000Z", horizonDays: 90 });
    assert.ok(Math.abs(rate - 0.431) < 0.0035, String(rate));
  },
);

test(
  "Online Retail: the marts give the published months, bestsellers and active customers",
  { skip: missing(ONLINE_RETAIL) },
  async () => {
    const lake = await lakeOfFile(ONLINE_RETAIL);
    for (const name of ["rfm_base", "sales_daily", "active_customers_monthly", "product_sales_daily"]) {
      await write(lake, named(name), {});
      assert.deepEqual(await brokenPromises(lake, named(name)), []);
    }
    const months =
      "SELECT CAST(sum(net_minor) AS BIGINT) AS minor FROM %t GROUP BY strftime(day, '%Y-%m') ORDER BY strftime(day, '%Y-%m')";
    const published = [
      74_895_702, 56_000_026, 49_806_265, 68_326_708, 49_320_712, 72_333_351, 69_112_312, 68_130_011, 68_268_051,
      101_968_762, 107_070_467, 146_175_625, 43_366_801,
    ];
    for (const mart of ["sales_daily", "product_sales_daily"])
      assert.deepEqual(
        (await rowsOf(lake, months.replace("%t", mart))).map((row) => row["minor"]),
        published,
        mart,
      );
    assert.deepEqual(
      (
        await rowsOf(
          lake,
          `SELECT name, CAST(sum(net_minor) AS BIGINT) AS minor FROM product_sales_daily
         WHERE name <> '' AND day < DATE '2011-12-01' GROUP BY name ORDER BY minor DESC LIMIT 3`,
        )
      ).map((row) => [row["name"], row["minor"]]),
      [
        ["DOTCOM POSTAGE", 18_637_279],
        ["REGENCY CAKESTAND 3 TIER", 15_885_927],
        ["WHITE HANGING HEART T-LIGHT HOLDER", 9_746_440],
      ],
    );
    assert.deepEqual(
      (
        await rowsOf(
          lake,
          "SELECT customers FROM active_customers_monthly WHERE country = 'United Kingdom' ORDER BY month",
        )
      ).map((row) => row["customers"]),
      [871, 684, 714, 923, 817, 985, 943, 899, 867, 1_177, 1_285, 1_548, 617],
    );
  },
);

const configurations: Record<string, object> = {
  "the default": {},
  "gross money, a window, quantiles and a map of their own": {
    money: "gross",
    windowMonths: 6,
    cutPoints: { frequency: "quantiles", recencyDays: [14, 30, 60, 120] },
    segments: {
      rules: [
        { segment: "It's us", frequency: [4, 5] },
        { segment: "Everyone else", frequency: [1, 3] },
      ],
    },
  },
};

for (const [title, document] of Object.entries(configurations))
  test(
    `Online Retail: quantiles, scores and segments are those of the plain computation, with ${title}`,
    { skip: missing(ONLINE_RETAIL) },
    async () => {
      const lake = await lakeOfFile(ONLINE_RETAIL);
      const configuration = parseSegmentConfiguration(document);
      const cutoff = "2011-12-10T00:00:00.000Z";
      const documents = { segmentConfiguration: configuration };
      await write(lake, named("rfm_base"), { cutoff, documents });
      await write(lake, named("rfm_quantiles"), { cutoff });
      const base = await rowsOf(lake, "SELECT *, epoch_ms(last_order_at) AS last_ms FROM rfm_base");
      assert.equal(base.length, 4_372);
      const counted = base.filter((row) => Number(row["orders"]) > 0);
      const column = (name: string): number[] => counted.map((row) => Number(row[name]));
      const values = {
        lastOrderAtMs: column("last_ms"),
        orders: column("orders"),
        monetaryMinor: column("monetary_minor"),
      };
      const at = { asOfMs: Date.parse(cutoff), version: "1" };
      const exact = cutPointsOf(values, parseSegmentConfiguration({ cutPoints: { frequency: "quantiles" } }), at);
      assert.deepEqual(
        await rowsOf(lake, "SELECT measure, customers, cut_1, cut_2, cut_3, cut_4 FROM rfm_quantiles ORDER BY measure"),
        (["frequency", "monetaryMinor", "recencyAtMs"] as const).map((measure) => {
          const [cut_1, cut_2, cut_3, cut_4] = exact[measure];
          return {
            measure: { frequency: "frequency", monetaryMinor: "monetary", recencyAtMs: "recency" }[measure],
            customers: counted.length,
            cut_1,
            cut_2,
            cut_3,
            cut_4,
          };
        }),
      );

      const cutPoints: CutPoints = cutPointsOf(values, configuration, at);
      await write(lake, named("customer_segments"), { cutoff, documents: { ...documents, cutPoints } });
      assert.deepEqual(await brokenPromises(lake, named("customer_segments")), []);
      // The plain computation scores what the view over raw events says, month by month.
      const months = await rowsOf(
        lake,
        `SELECT customer_key, strftime(effect_at, '%Y-%m') AS month, count(*) FILTER (WHERE counts) AS orders,
         CAST(sum(gross_minor) AS BIGINT) AS gross, CAST(sum(refund_minor) AS BIGINT) AS refund
       FROM order_facts WHERE customer_key IS NOT NULL GROUP BY ALL`,
      );
      const whole = new Map(
        (await rowsOf(lake, "SELECT *, epoch_ms(last_order_at) AS last_ms FROM customer_rfm")).map((row) => [
          row["customer_key"],
          row,
        ]),
      );
      const byCustomer = Map.groupBy(months, (row) => row["customer_key"]);
      const found = await rowsOf(lake, "SELECT * FROM customer_segments");
      assert.equal(found.length, 4_372);
      for (const row of found) {
        const sums = whole.get(row["customer_key"])!;
        const expected = scoresOf(
          {
            orders: Number(sums["orders"]),
            grossMinor: Number(sums["gross_minor"]),
            refundMinor: Number(sums["refund_minor"]),
            ...(sums["last_ms"] !== null && { lastOrderAtMs: Number(sums["last_ms"]) }),
            months: Object.fromEntries(
              byCustomer.get(row["customer_key"])!.map((month) => [
                String(month["month"]),
                {
                  orders: Number(month["orders"]),
                  grossMinor: Number(month["gross"]),
                  refundMinor: Number(month["refund"]),
                },
              ]),
            ),
          },
          cutPoints,
        );
        assert.deepEqual(
          [row["recency_score"], row["frequency_score"], row["monetary_score"], row["segment"]],
          expected === undefined
            ? [null, null, null, "No purchase"]
            : [expected.recency, expected.frequency, expected.monetary, expected.segment],
        );
      }
    },
  );
