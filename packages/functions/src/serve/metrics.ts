/** What one machine measures of itself, in Prometheus' text format 0.0.4. In AWS CloudWatch has these figures. */
import type { Measure, Ports } from "@ebb/ports";
import { authorize } from "../runtime/authorisation.ts";
import { type HttpHandler, httpHandler } from "../runtime/http.ts";

export const make = ({ keys, measures }: Pick<Ports, "keys" | "measures">): HttpHandler =>
  httpHandler(async (event) => {
    await authorize(keys, event);
    const body = (await measures.read()).map(textOf).join("");
    return { statusCode: 200, headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" }, body };
  });

const textOf = ({ name, type, help, samples }: Measure): string => {
  const lines = samples.map(({ labels = {}, value }) => `${name}${labelsOf(labels)} ${value}\n`);
  return `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n${lines.join("")}`;
};

const labelsOf = (labels: Readonly<Record<string, string>>): string => {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value).replaceAll('"', '\\"')}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
};

const escaped = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
