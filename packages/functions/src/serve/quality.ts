/**
 * What each source sends, and what of it somebody should look at: what it sent as the latest run found it, and what the last
 * load of each declared source brought as it is now, whichever was later.
 */
import type { QualityReport } from "@ebb/core/quality";
import type { SourceLoads } from "../collect/sources/compare-loads.ts";
import { qualityHtml } from "../model/report/quality-html.ts";
import { withSources } from "../model/sources-on-aws.ts";
import { z } from "zod";
import type { HttpHandler } from "../runtime/http.ts";
import { onAws } from "../runtime/on-aws.ts";
import { type MartPorts, martHandler } from "./marts/mart-handler.ts";
import { parametersOf } from "./marts/parameters.ts";
import { readQuality, unreadQuality } from "./marts/quality-report.ts";

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
    async ({ event, run, queries }, beside) => {
      const { format } = parametersOf(event, shape);
      const report = await readQuality(queries, beside);
      if (format === "json") return qualityJson(report);
      const headers = {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
      };
      return { statusCode: 200, headers, body: qualityHtml(report, run.asOf) };
    },
    (event, beside) => {
      parametersOf(event, shape);
      return qualityJson(unreadQuality(beside));
    },
    undefined,
    async () => ({ limits: ports.settings.quality, loads: await ports.sourceLoads?.() }),
  );

export const handler = onAws((ports) => make(withSources(ports)));
