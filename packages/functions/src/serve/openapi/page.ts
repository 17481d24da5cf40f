/** The description as one page of HTML: no script, no font, no image, nothing from anywhere else. */
import { eventKinds, kindNames } from "@ebb/core/kinds";
import type { OpenApiDocument } from "./document.ts";
import { eventSchemaName } from "./schemas.ts";

export const docsStyle = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881 }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 } h2 { margin-top: 3rem; border-bottom: 1px solid var(--line) }
code { font: 0.9em ui-monospace, monospace; background: var(--soft); padding: 0.1em 0.3em; border-radius: 3px }
details { border: 1px solid var(--line); border-radius: 6px; margin: 0.4rem 0; padding: 0.4rem 0.8rem }
summary { cursor: pointer } summary b { display: inline-block; min-width: 3.2rem; font-family: ui-monospace, monospace }
table { border-collapse: collapse; width: 100%; font-size: 0.92em } td, th { text-align: left; vertical-align: top; padding: 0.25rem 0.6rem 0.25rem 0; border-bottom: 1px solid var(--line) }
.mark { color: #b3541e }
`;

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`).replace(/`([^`]*)`/g, "<code>$1</code>");

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
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(document.info.title)} API</title><style>${docsStyle}</style>
<h1>${escaped(document.info.title)} API</h1><p>${escaped(document.info.description)}</p><p>For machines: <a href="openapi.json">openapi.json</a></p>
<h2>Routes</h2>${routes.join("\n")}
<h2>Events</h2><p>Fields with * must be there.</p>${all
    .filter(([name]) => events.has(name))
    .map(section)
    .join("\n")}
<h2>Other shapes</h2>${all
    .filter(([name]) => !events.has(name))
    .map(section)
    .join("\n")}</html>`;
};
