/** What each source sends, and what of it somebody should look at, as the latest run found it. */
import type { QualityReport } from "@ebb/core/quality";
import type { SourceLoads } from "../collect/sources/compare-loads.ts";
import { qualityHtml } from "../model/report/quality-html.ts";
import { z } from "zod";
import type { HttpHandler } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { type MartPorts, martHandler } from "./marts/mart-handler.ts";
import { parametersOf } from "./marts/parameters.ts";
import { readQuality } from "./marts/quality-report.ts";

const shape = { format: z.enum(["json", "html"]).default("json") };

/** In the names of the API. */
export const qualityJson = (report: QualityReport): object => ({
  findings: report.findings,
  tables: report.tables.map(({ firstAt, lastAt, receivedAt, ...rest }) => ({
    ...rest,
    first_at: firstAt,
    last_at: lastAt,
    received_at: receivedAt,
  })),
  references: report.references,
  limits: report.limits,
  ...(report.arrived === undefined ? {} : { arrived: report.arrived }),
});

export interface QualityPorts extends MartPorts {
  /** How the loads of declared sources went; absent where nobody knows. */
  readonly sourceLoads?: () => Promise<readonly SourceLoads[]>;
}

export const make = (ports: QualityPorts): HttpHandler =>
  martHandler(
    ports,
    async ({ event, run, queries }) => {
      const { format } = parametersOf(event, shape);
      const report = await readQuality(queries, { limits: ports.settings.quality, loads: await ports.sourceLoads?.() });
      if (format === "json") return qualityJson(report);
      const headers = {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
      };
      return { statusCode: 200, headers, body: qualityHtml(report, run.asOf) };
    },
    (event) => {
      parametersOf(event, shape);
      return { findings: [], tables: [], references: [], limits: ports.settings.quality ?? [] };
    },
  );

export const handler = onAws(make);
