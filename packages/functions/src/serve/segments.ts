/** Segments of the latest run: sizes, money, risk, who moved, the RFM grid, and the clusters beside them. */
import type { HttpHandler } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { type MartPorts, martHandler, numberOf, numberOrAbsent, rowsOf, textOf } from "./marts/mart-handler.ts";
import { clustersSql, gridSql, movementsSql, segmentsSql } from "./marts/segments-sql.ts";

export const make = (ports: MartPorts): HttpHandler =>
  martHandler(
    ports,
    async ({ run, queries }) => {
      const { dialect } = queries;
      const [segments, movements, grid, clusters] = await Promise.all(
        [segmentsSql, movementsSql, gridSql, clustersSql].map((sql) => rowsOf(queries, sql(dialect, run.asOf))),
      );
      return {
        segments: segments!.map((row) => ({
          segment: textOf(row["segment"]),
          customers: numberOf(row["customers"]),
          net_minor: numberOf(row["net_minor"]),
          entered: numberOf(row["entered"]),
          departed: numberOf(row["departed"]),
          mean_churn_probability: numberOrAbsent(row["mean_churn_probability"]),
          expected_loss_minor: numberOrAbsent(row["expected_loss_minor"]),
        })),
        movements: movements!.map((row) => ({
          from: textOf(row["from_segment"]),
          to: textOf(row["to_segment"]),
          customers: numberOf(row["customers"]),
        })),
        grid: grid!.map((row) => ({
          recency: numberOf(row["recency_score"]),
          frequency_monetary: numberOf(row["frequency_monetary"]),
          customers: numberOf(row["customers"]),
          net_minor: numberOf(row["net_minor"]),
          // A team's own map may part the cells of one field.
          segment: row["segment"] === row["last_segment"] ? textOf(row["segment"]) : "several",
        })),
        clusters: clusters!.map((row) => ({
          cluster: textOf(row["cluster"]),
          customers: numberOf(row["customers"]),
          net_minor: numberOf(row["net_minor"]),
          recency_days: numberOf(row["recency_days"]),
          orders: numberOf(row["orders"]),
        })),
      };
    },
    () => ({ segments: [], movements: [], grid: [], clusters: [] }),
    [],
  );

export const handler = onAws(make);
