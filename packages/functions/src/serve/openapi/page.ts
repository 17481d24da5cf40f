/** The description as one page of HTML: no script, no font, no image, nothing from anywhere else. */
import { eventKinds, kindNames } from "@ebb/core/kinds";
import { escaped, htmlPage } from "../page.ts";
import type { OpenApiDocument } from "./document.ts";
import { eventSchemaName } from "./schemas.ts";

type Schema = Readonly<Record<string, unknown>>;

const typeOf = (schema: Schema): string => {
  if (typeof schema["$ref"] === "string") {
    const name = schema["$ref"].slice("#/components/schemas/".length);
    return `<a href="#${name}">${name}</a>`;
  }
  if (schema["const"] !== undefined) return `<code>${escaped(JSON.stringify(schema["const"]))}</code>`;
  if (Array.isArray(schema["enum"]))
    return schema["enum"].map((value) => `<code>${escaped(String(value))}</code>`).join(" ");
  const options = schema["anyOf"] ?? schema["allOf"];
  if (Array.isArray(options)) return [...new Set((options as Schema[]).map(typeOf))].join(" or ");
  if (schema["type"] === "array") return `list of ${typeOf((schema["items"] ?? {}) as Schema)}`;
  const type = schema["type"];
  return type === undefined ? "anything" : [type].flat().map(String).join(" or ");
};

const fields = (schema: Schema): string => {
  const properties = Object.entries((schema["properties"] ?? {}) as Record<string, Schema>);
  if (properties.length === 0) return "";
  const required = new Set((schema["required"] ?? []) as string[]);
  const rows = properties.map(([name, field]) => {
    const nested = field["properties"] === undefined ? "" : fields(field);
    const personal = field["x-personal"] === true ? ' <span class="mark">personal</span>' : "";
    const text = typeof field["description"] === "string" ? escaped(field["description"]) : "";
    return `<tr><td><code>${escaped(name)}</code>${required.has(name) ? " *" : ""}${personal}</td><td>${typeOf(field)}</td><td>${text}${nested}</td></tr>`;
  });
  return `<table><tr><th>Field</th><th>Type</th><th></th></tr>${rows.join("")}</table>`;
};

const described = (schema: Schema): string =>
  typeof schema["description"] === "string" ? `<p>${escaped(schema["description"])}</p>` : "";

export const docsPage = (document: OpenApiDocument): string => {
  const { schemas } = document.components;
  const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const bodies = Object.entries(operation.requestBody?.content ?? {});
      return `<details id="${operation.operationId}"><summary><b>${method.toUpperCase()}</b> <code>${escaped(path)}</code> ${escaped(operation.summary)}</summary>
${operation.description === undefined ? "" : `<p>${escaped(operation.description)}</p>`}
${operation.parameters.length === 0 ? "" : `<p>Parameters: ${operation.parameters.map((parameter) => `<code>${escaped(parameter.name)}</code> (${parameter.in})`).join(", ")}</p>`}
${bodies.length === 0 ? "" : `<p>Takes ${bodies.map(([type, { schema }]) => `<code>${escaped(type)}</code>: ${typeOf(schema)}`).join("; ")}</p>`}
<ul>${Object.entries(operation.responses)
        .map(([status, response]) => `<li><code>${status}</code> ${escaped(response.description)}</li>`)
        .join("")}</ul></details>`;
    }),
  );
  const events = new Map(eventKinds.map((kind) => [eventSchemaName(kind), kindNames[kind] as string]));
  const section = ([name, schema]: [string, Schema]) =>
    `<details id="${name}"><summary>${escaped(events.get(name) ?? name)}</summary>${described(schema)}${fields(schema)}${schema["properties"] === undefined ? `<p>${typeOf(schema)}</p>` : ""}</details>`;
  const all = Object.entries(schemas);
  const body = `<h1>${escaped(document.info.title)} API</h1><p>${escaped(document.info.description)}</p><p>For machines: <a href="openapi.json">openapi.json</a></p>
<h2>Routes</h2>${routes.join("\n")}
<h2>Events</h2><p>Fields with * must be there.</p>${all
    .filter(([name]) => events.has(name))
    .map(section)
    .join("\n")}
<h2>Other shapes</h2>${all
    .filter(([name]) => !events.has(name))
    .map(section)
    .join("\n")}`;
  return htmlPage(`${document.info.title} API`, body);
};
