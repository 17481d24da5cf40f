/** A year of a shop's orders in the lake, made by DuckDB: a file of raw events for each day of arrival, as compaction leaves them. */
import { mkdirSync, statSync } from "node:fs";
import path from "node:path";
import { duckdbEmptyTable } from "@ebb/lake/raw-events";
import { COLUMNS_ID, LakeManifest } from "@ebb/ports/embedded/lake-manifest";
import { DuckDBInstance } from "@duckdb/node-api";
import { DAY_MS } from "@ebb/core/time";

const FIRST_MS = Date.UTC(2025, 0, 1);
/** Days of the history; one more is made for the run after it. */
export const HISTORY_DAYS = 365;

export interface OrderHistory {
  /** Order events, about five lines each. */
  readonly orders: number;
  readonly customers: number;
}

export const dayText = (day: number): string => new Date(FIRST_MS + day * DAY_MS).toISOString().slice(0, 10);

/** Of a product on a day, minor units: its own, and one week in twenty a fifth less. */
const priceSql = (product: string, day: number): string =>
  `(100 + (hash(${product} * 17) % 9000)::BIGINT)
        * CASE WHEN hash(${product} * 19 + ${Math.floor(day / 7)}) % 20 = 0 THEN 80 ELSE 100 END // 100`;

/**
 * The order events from one number to another, in the shape of `raw_events`: one in fifty is a refund of an order of the
 * two weeks before, one in fifty came twice, few customers buy much.
 */
const eventsSql = ({ orders, customers }: OrderHistory, day: number, from: number, to: number): string => `
WITH numbered AS (
  SELECT
    number,
    hash(number) % 50 = 0 AND number > ${orders} // 26 AS is_refund,
    hash(number) % 50 = 1 AS twice,
    CASE
      WHEN hash(number) % 50 = 0 AND number > ${orders} // 26 THEN number - 1 - CAST(hash(number * 5) % (${orders} // 26) AS BIGINT)
      ELSE number
    END AS order_number,
    TIMESTAMP '${dayText(day)}' + to_milliseconds(CAST(hash(number * 3 + 2) % ${DAY_MS} AS BIGINT)) AS placed_at,
    list_transform(list_transform(range(1 + (hash(number) % 9)::BIGINT), lambda line: {
      'product': CAST(floor(4000 * pow((hash(number * 11 + line) % 100003) / 100003.0, 2)) AS BIGINT),
      'quantity': 1 + (hash(number * 13 + line) % 3)::BIGINT
    }), lambda taken: {
      'product': taken.product,
      'quantity': taken.quantity,
      'price': ${priceSql("taken.product", day)}
    }) AS bought
  FROM range(${from}, ${to}) AS generated (number)
),
valued AS (
  SELECT
    *,
    CAST(floor(${customers} * pow((hash(order_number * 7 + 1) % 1000003) / 1000003.0, 1.6)) AS BIGINT) AS customer,
    list_sum(list_transform(bought, lambda line: line.quantity * line.price))::BIGINT AS total_minor
  FROM numbered
),
events AS (
  SELECT
    'evt_' || md5('o' || number) AS event_id,
    CASE WHEN is_refund THEN 'order_refunded' ELSE 'order_completed' END AS kind,
    CASE WHEN is_refund THEN 'Order Refunded' ELSE 'Order Completed' END AS name,
    'shop' AS source, 1::INTEGER AS schema_version,
    placed_at AS occurred_at, placed_at + INTERVAL 2 SECOND AS received_at,
    'rcp_' || (number // 100) AS receipt_id, (number % 100)::INTEGER AS receipt_number,
    'cus_' || md5('c' || customer) AS customer_key,
    ['DE', 'GB', 'FR', 'NL', 'ES', 'IT', 'PL', 'AT'][1 + customer % 8] AS country,
    order_number::VARCHAR AS order_id,
    2::INTEGER AS order_rank, epoch_ms(placed_at) AS order_version,
    CASE WHEN is_refund THEN 'r' || number END AS refund_id,
    'EUR' AS currency, total_minor, 'EUR' AS reporting_currency, total_minor AS reporting_minor,
    CASE WHEN hash(number) % 5 = 0 THEN 300::BIGINT END AS discount_minor, 499::BIGINT AS shipping_minor,
    list_transform(bought, lambda line: {
      'line_id': NULL::VARCHAR, 'product_id': 'p' || line.product, 'sku': 'sku-' || line.product,
      'name': 'Product number ' || line.product, 'category': 'category ' || (line.product % 40),
      'brand': NULL::VARCHAR, 'variant': NULL::VARCHAR,
      'quantity': line.quantity::DECIMAL(18,6), 'unit_price': (line.price / 100.0)::DECIMAL(18,6),
      'total_minor': line.quantity * line.price, 'occurred_at': NULL::TIMESTAMP
    }) AS lines,
    twice
  FROM valued
)
SELECT * EXCLUDE (twice) FROM events
UNION ALL
SELECT * EXCLUDE (twice) REPLACE (received_at + INTERVAL 1 MINUTE AS received_at, receipt_id || 'b' AS receipt_id)
FROM events WHERE twice`;

/** The days from one to another arrive in the lake. @returns bytes of their files */
export const arrive = async (
  folder: string,
  history: OrderHistory,
  fromDay: number,
  toDay: number,
): Promise<number> => {
  const instance = await DuckDBInstance.create(":memory:", { threads: "2", memory_limit: "2048MB" });
  const connection = await instance.connect();
  const manifest = new LakeManifest(folder, { readOnly: false });
  let bytes = 0;
  try {
    const columns = `SELECT * EXCLUDE (dt, hour) FROM (${duckdbEmptyTable()})`;
    for (let day = fromDay; day < toDay; day++) {
      const [from, to] = [day, day + 1].map((at) => Math.floor((history.orders * at) / HISTORY_DAYS)) as [
        number,
        number,
      ];
      const name = `raw_events/dt=${dayText(day)}/hour=00/bench.parquet`;
      const file = path.join(folder, name);
      mkdirSync(path.dirname(file), { recursive: true });
      const copied = await connection.runAndReadAll(
        `COPY (${columns} UNION ALL BY NAME (${eventsSql(history, day, from, to)}))
         TO '${file}' (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 32768)`,
      );
      const size = statSync(file).size;
      bytes += size;
      const rows = Number(copied.getRows()[0]![0]);
      manifest.commit(
        { path: name, rows, bytes: size, firstSeq: day + 1, lastSeq: day + 1, columns: COLUMNS_ID },
        day + 1,
      );
    }
  } finally {
    manifest.close();
    connection.closeSync();
    instance.closeSync();
  }
  return bytes;
};
