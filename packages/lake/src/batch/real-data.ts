/** For tests: UCI's Online Retail and CDNOW as `raw_events`, made by SQL from the files alone. */
import { existsSync } from "node:fs";
import path from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { duckdbEmptyTable } from "../raw-events.ts";

const dataFile = (name: string): string =>
  path.join(process.env["EBB_TEST_DATA"] ?? path.resolve(import.meta.dirname, "../../../../../shared/data"), name);

/** For the `skip` option of a test: the message, or false. */
export const missing = (name: string): string | false =>
  existsSync(dataFile(name)) ? false : `${dataFile(name)} is not there; EBB_TEST_DATA names another folder`;

export const ONLINE_RETAIL = "online_retail.csv.gz";
export const CDNOW = "cdnow_master.txt.gz";

const head = (id: string, currency: string): string => `
  'evt_' || ${id} AS event_id, 'file' AS source, 1::INTEGER AS schema_version, 'file' AS name,
  'upl_1' AS receipt_id, TIMESTAMP '2026-01-01' AS received_at, '2026-01-01' AS dt, '00' AS hour,
  1::INTEGER AS order_rank, 1::BIGINT AS order_version, '${currency}' AS currency, '${currency}' AS reporting_currency`;

/** An invoice is an order; one that begins with C gives its lines back. */
const onlineRetail = (): string => `
WITH rows AS (
  SELECT *, CAST(round(CAST(Quantity AS DECIMAL(9,0)) * CAST(UnitPrice AS DECIMAL(18,3)) * 100) AS BIGINT) AS line_minor
  FROM read_csv('${dataFile(ONLINE_RETAIL)}', header = true, all_varchar = true)
),
invoices AS (
  SELECT
    InvoiceNo AS invoice, any_value(nullif(CustomerID, '')) AS customer, any_value(Country) AS country,
    min(CAST(InvoiceDate AS TIMESTAMP)) AS occurred_at, sum(line_minor)::BIGINT AS total_minor,
    list({
      'sku': StockCode, 'product_id': StockCode, 'name': Description, 'quantity': CAST(Quantity AS DECIMAL(18,6)),
      'unit_price': CAST(UnitPrice AS DECIMAL(18,6)), 'total_minor': line_minor,
      'occurred_at': CAST(InvoiceDate AS TIMESTAMP), 'line_id': NULL::VARCHAR, 'category': NULL::VARCHAR,
      'brand': NULL::VARCHAR, 'variant': NULL::VARCHAR
    }) AS lines
  FROM rows GROUP BY InvoiceNo
)
SELECT
  ${head("invoice", "GBP")},
  row_number() OVER (ORDER BY invoice) AS receipt_number,
  CASE WHEN invoice LIKE 'C%' THEN 'order_refunded' ELSE 'order_completed' END AS kind,
  CASE WHEN invoice NOT LIKE 'C%' THEN invoice END AS order_id,
  CASE WHEN invoice LIKE 'C%' THEN invoice END AS refund_id,
  'cus_' || replace(customer, '.0', '') AS customer_key, country, occurred_at, total_minor, total_minor AS reporting_minor,
  [struct_pack(
    line_id := line.line_id, product_id := line.product_id, sku := line.sku, name := line.name, category := line.category,
    brand := line.brand, variant := line.variant, quantity := line.quantity, unit_price := line.unit_price,
    total_minor := line.total_minor, occurred_at := line.occurred_at
  ) FOR line IN lines] AS lines
FROM invoices`;

/** Every row of the file is a purchase of its own, dated by the day: customer, date, CDs, dollars. */
const cdnow = (): string => `
WITH rows AS (
  SELECT regexp_split_to_array(trim(line), '\\s+') AS cells, row_number() OVER () AS number
  FROM read_csv('${dataFile(CDNOW)}', header = false, columns = {'line': 'VARCHAR'}, delim = '|', quote = '')
)
SELECT
  ${head("number", "USD")},
  number AS receipt_number, 'order_completed' AS kind, CAST(number AS VARCHAR) AS order_id,
  'cus_' || cells[1] AS customer_key, strptime(cells[2], '%Y%m%d')::TIMESTAMP AS occurred_at,
  CAST(round(CAST(cells[4] AS DECIMAL(18,2)) * 100) AS BIGINT) AS total_minor,
  CAST(round(CAST(cells[4] AS DECIMAL(18,2)) * 100) AS BIGINT) AS reporting_minor
FROM rows
WHERE TRY_CAST(cells[1] AS INTEGER) IS NOT NULL`;

/** Makes the table `raw_events`. */
export const loadRealData = async (
  lake: DuckDBConnection,
  file: typeof ONLINE_RETAIL | typeof CDNOW,
): Promise<void> => {
  const sql = file === ONLINE_RETAIL ? onlineRetail() : cdnow();
  await lake.run(`CREATE OR REPLACE TABLE raw_events AS ${duckdbEmptyTable()} UNION ALL BY NAME (${sql})`);
};
